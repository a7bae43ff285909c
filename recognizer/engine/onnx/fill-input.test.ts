import { expect, test } from 'vitest';
import { fillInput, sampleAxis } from './fill-input.ts';

/** A grey picture by its rows; the three channels differ by 1. */
function pictureOf(rows: number[][]) {
  const pixels = Uint8Array.from(rows.flat().flatMap((grey) => [grey, grey + 1, grey + 2]));
  return { pixels, width: rows[0]?.length ?? 0, height: rows.length };
}

const PLAIN = { centred: false, mean: [0, 0, 0], divisor: 1 } as const;
const whole = ({ width, height }: { width: number; height: number }) => ({ left: 0, top: 0, width, height });

function fill(picture: ReturnType<typeof pictureOf>, format: Parameters<typeof fillInput>[3], region = whole(picture)) {
  const target = new Float32Array(3 * format.size ** 2).fill(Number.NaN);
  fillInput(target, picture, region, format);
  return withoutSign(target);
}

/** Vitest tells -0 from 0. */
const withoutSign = (values: Float32Array) => values.map((value) => value + 0);

test('a square of the right size is copied, channel by channel', () => {
  const target = fill(
    pictureOf([
      [10, 20],
      [30, 40],
    ]),
    { ...PLAIN, size: 2 },
  );
  expect([...target]).toEqual([10, 20, 30, 40, 11, 21, 31, 41, 12, 22, 32, 42]);
});

test('the mean becomes 0, and padding is black', () => {
  const format = { centred: false, mean: [10, 20, 30], divisor: 10, size: 2 } as const;
  expect([...fill(pictureOf([[20, 30]]), format)].map((value) => Number(value.toFixed(4)))).toEqual([
    1, 2, -1, -1, 0.1, 1.1, -2, -2, -0.8, 0.2, -3, -3,
  ]);
});

test('nothing is shifted by half a pixel when a picture shrinks or grows', () => {
  const shrunk = fill(
    pictureOf([
      [0, 10, 20, 30],
      [40, 50, 60, 70],
      [80, 90, 100, 110],
      [120, 130, 140, 150],
    ]),
    {
      ...PLAIN,
      size: 2,
    },
  );
  expect([...shrunk.slice(0, 4)]).toEqual([0, 20, 80, 100]);
  const grown = fill(
    pictureOf([
      [0, 10],
      [20, 30],
    ]),
    { ...PLAIN, size: 4 },
  );
  expect([...grown.slice(0, 16)]).toEqual([0, 5, 10, 10, 10, 15, 20, 20, 20, 25, 30, 30, 20, 25, 30, 30]);
});

test('the last pixel is blended with the padding', () => {
  const grown = fill(pictureOf([[40, 80]]), { ...PLAIN, size: 4 });
  expect([...grown.slice(0, 12)]).toEqual([40, 60, 80, 80, 20, 30, 40, 40, 0, 0, 0, 0]);
});

test.each([
  // side, length, pixels of padding before
  [3, 2, 0],
  [4, 2, 1],
  [5, 2, 1],
  [6, 1, 2],
])('in a centred square of %i, %i pixels come after %i: the odd one goes behind', (side, length, before) => {
  const axis = sampleAxis({ side, length, start: 0, stride: 1 }, { size: side, centred: true });
  expect([axis.from, axis.to]).toEqual([before, before + length]);
});

test('only the region is seen, wherever it lies', () => {
  const picture = pictureOf([
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ]);
  const target = fill(picture, { ...PLAIN, size: 2 }, { left: 1, top: 1, width: 2, height: 2 });
  expect([...target.slice(0, 4)]).toEqual([5, 6, 8, 9]);
});

test('a target that is a part of the square gets that part', () => {
  const picture = pictureOf([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  const target = new Float32Array(3 * 4 * 3);
  const format = { ...PLAIN, size: 4 };
  fillInput(target, picture, whole(picture), format, { left: 0, top: 0, width: 4, height: 3 });
  expect([...withoutSign(target).slice(0, 12)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]);
  fillInput(target, picture, whole(picture), format, { left: 1, top: 1, width: 3, height: 3 });
  expect([...withoutSign(target).slice(0, 9)]).toEqual([6, 7, 8, 0, 0, 0, 0, 0, 0]);
});

test('a mirrored region is what the mirror image of the region is, wherever the padding goes', () => {
  const rows = [
    [0, 10, 20, 30, 45],
    [40, 50, 60, 70, 99],
    [80, 90, 100, 110, 7],
  ];
  const picture = pictureOf(rows);
  const flipped = pictureOf(rows.map((row) => row.toReversed()));
  for (const size of [3, 4, 7]) {
    for (const centred of [false, true]) {
      const format = { ...PLAIN, size, centred };
      const region = { left: 1, top: 0, width: 2, height: 3 };
      const reflected = { ...region, left: 2 };
      expect(fill(picture, { ...format, mirrored: true }, region)).toEqual(fill(flipped, format, reflected));
      expect(fill(picture, { ...format, mirrored: true })).toEqual(fill(flipped, format));
    }
  }
});
