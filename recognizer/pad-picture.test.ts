import { expect, test } from 'vitest';
import { padPicture, unpadBox, unpadPoints } from './pad-picture.ts';

test('what was found in the padded picture is mapped back to the picture', async () => {
  const padded = await padPicture({ pixels: new Uint8Array(20 * 10 * 3), width: 20, height: 10 });
  expect(padded).toMatchObject({ width: 60, height: 30 });
  // In pixels of the padded picture: 30, 15 is the middle of both; the picture begins at 20, 10.
  expect([...unpadPoints(Float32Array.of(30 / 60, 15 / 30, 20 / 60, 10 / 30, 15 / 60, 25 / 30))]).toEqual(
    [0.5, 0.5, 0, 0, -0.25, 1.5].map((ratio) => expect.closeTo(ratio, 5)),
  );
  const box = unpadBox({ left: 25 / 60, top: 5 / 30, width: 10 / 60, height: 10 / 30 });
  expect(box).toEqual({
    ...{ left: expect.closeTo(0.25, 5), top: 0 },
    ...{ width: expect.closeTo(0.5, 5), height: expect.closeTo(0.5, 5) },
  });
});
