import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A tensor as face-api's weight files hold it, in TensorFlow's layouts (filters: height, width, in, out). */
export interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** The weights of one network by the names in its manifest. */
export interface Weights {
  /** @throws Error when the network has no such weight, or its values are not floats */
  get(name: string): Weight;
  has(name: string): boolean;
}

/** One entry of a weights manifest; the format is TensorFlow.js's (`tf.io.WeightsManifestEntry`). */
export interface ManifestEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** `value = byte * scale + min`; absent where the values are stored as they are. */
  readonly quantization?: { readonly dtype: string; readonly scale: number; readonly min: number };
}

/**
 * Reads a network of face-api from its package, as plain floats.
 *
 * @param network the first part of the file names, e.g. `ssd_mobilenetv1`
 */
export async function readWeights(modelFolder: string, network: string): Promise<Weights> {
  const manifest: { paths: string[]; weights: ManifestEntry[] }[] = JSON.parse(
    await readFile(join(modelFolder, `${network}_model-weights_manifest.json`), 'utf8'),
  );
  const weights = new Map<string, Weight>();
  for (const { paths, weights: entries } of manifest) {
    const files = await Promise.all(paths.map((path) => readFile(join(modelFolder, path))));
    for (const [name, weight] of decodeWeights(Buffer.concat(files), entries)) weights.set(name, weight);
  }
  return {
    has: (name) => weights.has(name),
    get(name) {
      const weight = weights.get(name);
      if (weight === undefined) throw new Error(`The weights of ${network} have no tensor ${name}.`);
      return weight;
    },
  };
}

/** Cuts a weight file into its tensors, which lie in it in the manifest's order, and makes floats of them. */
export function decodeWeights(file: Uint8Array, entries: readonly ManifestEntry[]): Map<string, Weight> {
  const weights = new Map<string, Weight>();
  let offset = 0;
  for (const { name, shape, dtype, quantization } of entries) {
    const length = shape.reduce((product, size) => product * size, 1);
    const end = offset + length * bytesPerValue(name, quantization?.dtype ?? dtype);
    const bytes = file.subarray(offset, end);
    offset = end;
    // The few integers are leftovers of TensorFlow's graph, which no layer uses.
    if (dtype === 'float32') weights.set(name, { shape, values: decodeFloats(bytes, quantization) });
  }
  if (offset !== file.length) throw new Error(`The weight file has ${file.length} bytes, its manifest says ${offset}.`);
  return weights;
}

function bytesPerValue(name: string, dtype: string): number {
  if (dtype === 'uint8') return 1;
  if (dtype === 'float32' || dtype === 'int32') return 4;
  throw new Error(`The weight ${name} is stored as ${dtype}, which face-api's models do not use.`);
}

function decodeFloats(bytes: Uint8Array, quantization: ManifestEntry['quantization']): Float32Array {
  if (quantization === undefined) {
    const values = new Float32Array(bytes.length / Float32Array.BYTES_PER_ELEMENT);
    new Uint8Array(values.buffer).set(bytes);
    return values;
  }
  const { scale, min } = quantization;
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < values.length; i++) values[i] = (bytes[i] ?? 0) * scale + min;
  return values;
}
