import { describe, expect, test } from 'vitest';
import { estimatePose } from './estimate-pose.ts';

/** The six points of a mean head that the pose is read from, by their landmarks; x right, y up, z towards the camera. */
const HEAD: [number, [number, number, number]][] = [
  [30, [0, 0, 0]],
  [8, [0, -330, -65]],
  [36, [-225, 170, -135]],
  [45, [225, 170, -135]],
  [48, [-150, -150, -125]],
  [54, [150, -150, -125]],
];

const radians = (degrees: number) => (degrees * Math.PI) / 180;

/** The landmarks of a head that is first turned up or down, then to the side, then leans; a photo of it, 0.4 as large. */
function photograph({ yaw = 0, pitch = 0, roll = 0 }): Float32Array {
  const landmarks = new Float32Array(136);
  for (const [index, [x0, y0, z0]] of HEAD) {
    const [y1, z1] = rotate(y0, z0, radians(-pitch));
    const [z2, x2] = rotate(z1, x0, radians(yaw));
    const [x3, y3] = rotate(x2, y1, radians(-roll));
    expect(Number.isFinite(z2)).toBe(true);
    landmarks[2 * index] = 500 + 0.4 * x3;
    landmarks[2 * index + 1] = 300 - 0.4 * y3;
  }
  return landmarks;
}

const rotate = (a: number, b: number, by: number): [number, number] => [
  a * Math.cos(by) - b * Math.sin(by),
  a * Math.sin(by) + b * Math.cos(by),
];

/** face-api puts the points of a face that looks straight ahead where this head looks so far down. */
const DOWN = -13;

describe('the pose of a head', () => {
  test.each([
    { yaw: 0, pitch: 0, roll: 0 },
    { yaw: 30, pitch: 0, roll: 0 },
    { yaw: -55, pitch: 0, roll: 0 },
    { yaw: 0, pitch: 20, roll: 0 },
    { yaw: 0, pitch: 0, roll: 35 },
    { yaw: -25, pitch: -15, roll: 40 },
  ])('%o', (pose) => {
    const found = estimatePose(photograph({ ...pose, pitch: pose.pitch + DOWN }));
    expect(found.yaw).toBeCloseTo(pose.yaw, 1);
    expect(found.pitch).toBeCloseTo(pose.pitch, 1);
    expect(found.roll).toBeCloseTo(pose.roll, 1);
  });

  test('does not change with the size and the place of the face', () => {
    const landmarks = photograph({ yaw: 20, pitch: 5, roll: -10 });
    const elsewhere = landmarks.map((value, index) => value * 3 + (index % 2 === 0 ? 70 : -900));
    const [here, there] = [estimatePose(landmarks), estimatePose(elsewhere)];
    for (const angle of ['yaw', 'pitch', 'roll'] as const) expect(there[angle]).toBeCloseTo(here[angle], 2);
  });

  test('of landmarks that all lie in one place is a number', () => {
    expect(Object.values(estimatePose(new Float32Array(136))).every(Number.isFinite)).toBe(true);
  });
});
