import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { renderPhoto } from './photo.ts';

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>';
const picture = sharp({ create: { width: 40, height: 30, channels: 3, background: '#c33' } });

test.each([16, undefined])('a photo with more pixels than allowed is not shown (width %s)', async (width) => {
  const file = await picture.clone().png().toBuffer();
  expect((await renderPhoto(file, width, { maxPixels: 1200 })).bytes.length).toBeGreaterThan(0);
  await expect(renderPhoto(file, width, { maxPixels: 1199 })).rejects.toMatchObject({
    code: 'image_too_large',
    message: 'The picture has 40 × 30 pixels; at most 1199 are read.',
  });
});

test.each([
  ['an SVG', Buffer.from(SVG)],
  ['a packed SVG', gzipSync(SVG)],
])('%s is not even parsed', async (_name, file) => {
  await expect(renderPhoto(file, 320, { maxPixels: 1200 })).rejects.toMatchObject({
    code: 'image_unreadable',
    message: expect.stringContaining('unsupported image format'),
  });
});
