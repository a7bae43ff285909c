import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import util from 'node:util';
import type * as FaceApi from '@vladmandic/face-api';

/** The part of TensorFlow.js that the engine uses, whichever package it comes from. */
interface Tensorflow {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor3d(values: Uint8Array, shape: [number, number, number], dtype: 'int32'): Picture3D;
  reverse(tensor: Picture3D, axis: number): Picture3D;
}

/** A picture as a tensor of height × width × 3; lives outside the JavaScript heap until it is disposed of. */
export type Picture3D = Parameters<typeof FaceApi.extractFaceTensors>[0] & { dispose(): void };

export interface Backend {
  readonly name: 'tfjs-node' | 'tfjs-wasm';
  readonly tf: Tensorflow;
  readonly faceApi: typeof FaceApi;
}

// face-api and TensorFlow.js must be the same CommonJS instances for each other: face-api requires, so do we.
const require = createRequire(import.meta.url);

/**
 * TensorFlow's native library when its optional package is installed and loads, otherwise WebAssembly.
 *
 * @param only for measurements and comparisons: this one or none
 */
export async function loadBackend(only?: Backend['name']): Promise<Backend> {
  const native = only === 'tfjs-wasm' ? null : loadNative();
  if (only === 'tfjs-node' && native === null)
    throw new Error('@tensorflow/tfjs-node is not installed, or does not load.');
  const backend = native ?? loadWasm();
  await backend.tf.setBackend(backend.name === 'tfjs-node' ? 'tensorflow' : 'wasm');
  await backend.tf.ready();
  return backend;
}

function loadNative(): Backend | null {
  try {
    // tfjs-node still calls functions that Node 23 removed.
    const legacy = util as unknown as Record<string, unknown>;
    legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
    legacy.isArray ??= Array.isArray;
    const tf: Tensorflow = require('@tensorflow/tfjs-node');
    return { name: 'tfjs-node', tf, faceApi: require('@vladmandic/face-api/dist/face-api.node.js') };
  } catch {
    // Not installed, or its native library is not made for this machine: both are ordinary.
    return null;
  }
}

function loadWasm(): Backend {
  const tf: Tensorflow = require('@tensorflow/tfjs');
  const wasm: { setWasmPaths(folder: string): void } = require('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  return { name: 'tfjs-wasm', tf, faceApi: require('@vladmandic/face-api/dist/face-api.node-wasm.js') };
}
