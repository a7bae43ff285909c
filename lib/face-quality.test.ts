import { expect, test } from 'vitest';
import { type FaceQuality, faceQualityFromColumn, faceQualityToColumn } from './face-quality.ts';

const quality: FaceQuality = {
  ...{ pixels: 80, sharpness: 0.2, brightness: 0.5, yaw: 1, pitch: 2, roll: -30 },
  reasons: ['EXTREME_POSE'],
};

test('a JSON column is read as MySQL gives it, an object, and as MariaDB does, text', () => {
  expect(faceQualityFromColumn(quality)).toEqual(quality);
  expect(faceQualityFromColumn(faceQualityToColumn(quality))).toEqual(quality);
});

test('what nobody has judged is NULL', () => {
  expect(faceQualityToColumn(null)).toBeNull();
  expect(faceQualityFromColumn(null)).toBeNull();
});
