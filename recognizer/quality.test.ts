import { describe, expect, test } from 'vitest';
import type { FaceQuality, QualityReason } from '../lib/face-quality.ts';
import type { DescribedFace, Picture } from './engine/engine.ts';
import { explainPoorFace, judgeFace, thresholdFor } from './quality.ts';

// A drawn face: what matters is where its points are, and stripes whose edges are sharp or not. Real faces are judged in
// test/recognizer.test.ts.

/** A picture of vertical stripes, 16 in the face, whose luma goes from `dark` to `light` over `soft` of a stripe. */
function draw(size: number, { dark = 60, light = 180, soft = 0 } = {}): Picture {
  const pixels = new Uint8Array(size * size * 3);
  for (let index = 0; index < size * size; index++) {
    const wave = Math.sin((((index % size) + 0.5) / size) * 32 * Math.PI);
    const share = soft === 0 ? Number(wave > 0) : (Math.max(-soft, Math.min(soft, wave)) / soft + 1) / 2;
    pixels.fill(dark + (light - dark) * share, index * 3, index * 3 + 3);
  }
  return { pixels, width: size, height: size };
}

/** Looks straight ahead: eyes, nose, mouth and chin of face-api's mean face, as ratios; the box fills half of the picture. */
function look(confidence = 0.9): DescribedFace {
  const landmarks = new Float32Array(136);
  const put = (from: number, to: number, x: number, y: number) => {
    for (let point = from; point < to; point++) landmarks.set([x, y], 2 * point);
  };
  put(36, 42, 0.4, 0.42);
  put(42, 48, 0.6, 0.42);
  put(48, 68, 0.5, 0.6);
  for (const [point, x, y] of [
    ...([
      [30, 0.5, 0.507],
      [8, 0.5, 0.68],
      [36, 0.385, 0.42],
      [45, 0.615, 0.42],
    ] as const),
    ...([
      [48, 0.425, 0.59],
      [54, 0.575, 0.59],
    ] as const),
  ]) {
    landmarks.set([x, y], 2 * point);
  }
  const box = { left: 0.25, top: 0.25, width: 0.5, height: 0.5 };
  return { box, confidence, descriptor: new Float32Array(128), landmarks };
}

const reasonsOf = (picture: Picture, face = look()) => judgeFace(face, picture).reasons;

describe('a face', () => {
  test('that is large, sharp, light and looks ahead has no reasons', () => {
    const quality = judgeFace(look(), draw(300));
    expect(quality).toMatchObject({ pixels: 150, reasons: [] });
    expect(quality.brightness).toBeCloseTo(120 / 255, 1);
    expect(Math.abs(quality.yaw)).toBeLessThan(1);
  });

  test('is measured in pixels of the photo, not of what was decoded of it', () => {
    expect(judgeFace(look(), draw(300), 2.5).pixels).toBe(375);
    expect(reasonsOf(draw(60))).toContain('SMALL_BOUNDING_BOX');
    expect(judgeFace(look(), draw(60), 2).reasons).not.toContain('SMALL_BOUNDING_BOX');
  });

  test('is as sharp in any size, and in any light', () => {
    const sharpness = [200, 300, 600, 1500].map((size) => judgeFace(look(), draw(size)).sharpness);
    expect(Math.max(...sharpness) / Math.min(...sharpness)).toBeLessThan(1.5);
    const dim = judgeFace(look(), draw(300, { dark: 20, light: 60 })).sharpness;
    expect(dim / (sharpness[1] ?? 0)).toBeCloseTo(1, 1);
  });

  test('that is out of focus is less sharp', () => {
    const [sharp = 0, soft = 0] = [0, 1].map((softness) => judgeFace(look(), draw(300, { soft: softness })).sharpness);
    expect(soft).toBeLessThan(sharp * 0.8);
    const flat = judgeFace(look(), draw(300, { dark: 100, light: 100 }));
    expect(flat).toMatchObject({ sharpness: 0, reasons: ['LOW_SHARPNESS'] });
  });

  test('in the dark, of which the detector is not sure, turned by 40°', () => {
    expect(reasonsOf(draw(300, { dark: 5, light: 30 }))).toEqual(['LOW_BRIGHTNESS']);
    expect(reasonsOf(draw(300), look(0.55))).toEqual(['LOW_CONFIDENCE']);
    const face = look();
    const turned = { ...face, landmarks: turn(face.landmarks, 40) };
    expect(reasonsOf(draw(300), turned)).toEqual(['EXTREME_POSE']);
    expect(judgeFace(turned, draw(300)).roll).toBeCloseTo(40, 0);
  });

  test('that reaches beyond the picture is judged by what repeats its border', () => {
    const outside = { ...look(), landmarks: look().landmarks.map((ratio) => ratio - 0.45) };
    expect(
      Object.values(judgeFace(outside, draw(300)))
        .flat()
        .includes(Number.NaN),
    ).toBe(false);
  });
});

/** Clockwise about the middle of the picture. */
function turn(landmarks: Float32Array, degrees: number): Float32Array {
  const [sin, cos] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  return landmarks.map((_, index) => {
    const [x, y] = [(landmarks[index & ~1] ?? 0) - 0.5, (landmarks[index | 1] ?? 0) - 0.5];
    return 0.5 + (index % 2 === 0 ? x * cos - y * sin : x * sin + y * cos);
  });
}

describe('what follows', () => {
  const judged = (...reasons: QualityReason[]): FaceQuality => ({
    ...{ pixels: 20, sharpness: 0.01, brightness: 0.05, yaw: 0, pitch: 0, roll: 33 },
    reasons,
  });

  test('a misleading face needs a closer distance; one in the dark does not', () => {
    for (const reason of ['SMALL_BOUNDING_BOX', 'LOW_SHARPNESS', 'EXTREME_POSE'] as const) {
      expect(thresholdFor(0.55, ['LOW_BRIGHTNESS', reason])).toBeCloseTo(0.495);
    }
    expect(thresholdFor(0.55, ['LOW_BRIGHTNESS', 'LOW_CONFIDENCE'])).toBe(0.55);
    expect(thresholdFor(0.6, [])).toBe(0.6);
  });

  test('a refusal says what is wrong and what to do', () => {
    expect(explainPoorFace(judged('SMALL_BOUNDING_BOX', 'LOW_BRIGHTNESS', 'EXTREME_POSE'))).toBe(
      'The face is small (20 pixels, at least 32) and turned or leaning too far (yaw 0°, pitch 0°, roll 33°): ' +
        'SMALL_BOUNDING_BOX, EXTREME_POSE. Take a better photo, or set ENROL_POOR_FACES=true.',
    );
  });
});
