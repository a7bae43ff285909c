import { describe, expect, test } from 'vitest';
import type { Face } from './api.ts';
import { placeFaceLabels } from './face-labels.ts';

describe('placeFaceLabels', () => {
  test('a name alone has the whole width, and stays by its face', () => {
    for (const left of [0.02, 0.45, 0.88]) {
      const [label] = placeFaceLabels([makeFace(left, 0.2, 'Ada Lovelace')], 1);
      expect(label).toMatchObject({ text: 'Ada Lovelace', side: 'below', left: 0, width: 1 });
      expect(label?.anchor).toBeCloseTo(left + 0.05);
    }
  });

  test('at the bottom of the photo a name stands above its face', () => {
    expect(placeFaceLabels([makeFace(0.4, 0.85, 'Ada')], 1)[0]?.side).toBe('above');
  });

  test('on a face that fills the photo the name stands inside its box', () => {
    const face = { ...makeFace(0.1, 0.02, 'Ada'), box: { left: 0.1, top: 0.02, width: 0.8, height: 0.93 } };
    expect(placeFaceLabels([face], 1)[0]?.side).toBe('inside');
  });

  test('a line of text takes more of a wide photo', () => {
    const face = makeFace(0.4, 0.7, 'Ada');
    expect([1, 2.4].map((ratio) => placeFaceLabels([face], ratio)[0]?.side)).toEqual(['below', 'above']);
  });

  test('names on one line do not cover each other and stay inside the photo', () => {
    const labels = placeFaceLabels(
      [0.0, 0.12, 0.3, 0.31, 0.6, 0.9].map((left) => makeFace(left, 0.3, 'Ada Lovelace')),
      1,
    );
    const slots = labels.map(({ left, width }) => ({ from: left, to: left + width })).sort((a, b) => a.from - b.from);
    for (const [place, slot] of slots.entries()) {
      expect(slot.from).toBeGreaterThanOrEqual(0);
      expect(slot.to).toBeLessThanOrEqual(1);
      expect(slot.to).toBeLessThanOrEqual((slots[place + 1]?.from ?? 1) + 1e-9);
    }
  });

  test('what has no room is shortened: a stranger to a question mark, a person to initials', () => {
    const crowd = placeFaceLabels(
      [
        makeFace(0.2, 0.3, 'Wangari Maathai'),
        makeFace(0.3, 0.3, 'Ada Augusta Lovelace'),
        makeFace(0.4, 0.3, null),
        makeFace(0.5, 0.3, 'Hannibal'),
        makeFace(0.6, 0.3, 'Grace'),
      ],
      1,
    );
    expect(crowd.map(({ text }) => text)).toEqual(['Wangari Maathai', 'AL', '?', 'H', 'Grace']);
    expect(placeFaceLabels([makeFace(0.4, 0.3, null)], 1)[0]?.text).toBe('Unknown');
  });

  test('strangers make room for people with names', () => {
    const [before, ada, after] = placeFaceLabels(
      [makeFace(0.1, 0.3, null), makeFace(0.4, 0.3, 'Ada'), makeFace(0.7, 0.3, null)],
      1,
    );
    expect(ada?.left).toBeCloseTo(0.15 + 0.06);
    expect(ada?.width).toBeCloseTo(0.6 - 2 * 0.06);
    expect(ada?.anchor).toBeCloseTo(0.5);
    expect((before?.left ?? 0) + (before?.width ?? 0)).toBeCloseTo(ada?.left ?? 0);
    expect(after?.text).toBe('?');
  });

  test('faces on other lines do not matter', () => {
    const labels = placeFaceLabels([makeFace(0.45, 0.1, 'Ada'), makeFace(0.45, 0.6, 'Grace')], 1);
    expect(labels.map(({ width }) => width)).toEqual([1, 1]);
  });
});

function makeFace(left: number, top: number, name: string | null): Face {
  return {
    id: Math.round(left * 1000 + top * 10),
    box: { left, top, width: 0.1, height: 0.12 },
    confidence: 1,
    person: name === null ? null : { id: 1, name },
    similarity: null,
    distance: null,
    referenceImage: null,
    ...{ decidedBy: 'gallery', threshold: 0.55, model: 'm', galleryRevision: 1 },
    quality: null,
  };
}
