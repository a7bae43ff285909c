import { expect, test } from 'vitest';
import { DESCRIPTOR_MODELS, describeBy, findModel } from './descriptor-models.ts';
import { DEFAULT_THRESHOLD, distanceBetween } from './similarity.ts';

const [plain, mirrored] = DESCRIPTOR_MODELS;
const face = { descriptor: new Float32Array([1, 0]), mirrored: new Float32Array([0, 1]) };

test('the plain model is what the network says', () => {
  expect(describeBy(plain, face)).toBe(face.descriptor);
});

test('the mirrored model is the mean of both, on a scale on which one threshold does for both models', () => {
  const other = { descriptor: new Float32Array([0, 0]), mirrored: new Float32Array([0, 0]) };
  const distance = distanceBetween(describeBy(mirrored, face), describeBy(mirrored, other));
  expect(distance).toBeCloseTo(Math.hypot(0.5, 0.5) * (DEFAULT_THRESHOLD / 0.525), 5);
  expect(() => describeBy(mirrored, { descriptor: face.descriptor })).toThrow('mirror image');
});

test('models are found by their names', () => {
  expect(findModel('face-api-1-mirrored')).toBe(mirrored);
  expect(findModel('another')).toBeUndefined();
});
