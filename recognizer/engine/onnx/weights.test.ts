import { expect, test } from 'vitest';
import { MODEL_FOLDER } from '../face-api-models.ts';
import { decodeWeights, readWeights } from './weights.ts';

const quantization = { dtype: 'uint8', scale: 0.5, min: -1 };

test('bytes become floats by their scale and minimum, in the order of the manifest', () => {
  const floats = new Uint8Array(Float32Array.of(1.5, -2).buffer);
  const weights = decodeWeights(Uint8Array.of(0, 2, 255, 7, ...floats), [
    { name: 'filters', shape: [3, 1], dtype: 'float32', quantization },
    { name: 'leftover', shape: [], dtype: 'int32', quantization },
    { name: 'plain', shape: [2], dtype: 'float32' },
  ]);
  expect([...weights.keys()]).toEqual(['filters', 'plain']);
  expect(weights.get('filters')).toEqual({ shape: [3, 1], values: Float32Array.of(-1, 0, 126.5) });
  expect(weights.get('plain')).toEqual({ shape: [2], values: Float32Array.of(1.5, -2) });
});

test('a file that does not fit its manifest is refused', () => {
  const entries = [{ name: 'filters', shape: [3], dtype: 'float32', quantization }];
  expect(() => decodeWeights(new Uint8Array(4), entries)).toThrow('has 4 bytes, its manifest says 3');
  expect(() => decodeWeights(new Uint8Array(2), entries)).toThrow('has 2 bytes, its manifest says 3');
  expect(() => decodeWeights(new Uint8Array(4), [{ name: 'half', shape: [2], dtype: 'float16' }])).toThrow('float16');
});

test("face-api's own files are read whole", async () => {
  const weights = await readWeights(MODEL_FOLDER, 'face_recognition');
  expect(weights.get('fc').shape).toEqual([256, 128]);
  expect(weights.get('conv64_1/conv1/conv/filters').values).toHaveLength(3 * 3 * 64 * 64);
  expect(() => weights.get('conv99')).toThrow('face_recognition have no tensor conv99');
});
