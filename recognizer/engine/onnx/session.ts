import { InferenceSession, Tensor } from 'onnxruntime-node';

/** One network, ready to run. `run` blocks the thread while it computes. */
export interface Session {
  /** @param input row-major floats of `shape`, read while the promise is pending */
  run(input: Float32Array, shape: readonly number[]): Promise<Record<string, Float32Array>>;
  close(): Promise<void>;
}

/**
 * Opens a model for one thread: parallelism comes from several workers, each with sessions of its own. ONNX Runtime
 * keeps the memory of the largest run (its arena); fetching it from the system anew costs a seventh of the detector's time.
 *
 * @param model in ONNX's file format
 */
export async function openSession(model: Uint8Array): Promise<Session> {
  const session = await InferenceSession.create(model, {
    executionMode: 'sequential',
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
  });
  const [inputName] = session.inputNames;
  if (inputName === undefined) throw new Error('The model has no input.');

  return {
    async run(input, shape) {
      const outputs = await session.run({ [inputName]: new Tensor('float32', input, shape) });
      return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]));
    },
    close: () => session.release(),
  };
}
