import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { cutOut, renderCrop } from './crop.ts';

const limits = { cropWidth: undefined, maxPixels: 1e6 };

/** 200 × 100 upright, blue but for a red right upper quarter, stored on its side. */
async function photoOnItsSide() {
  const red = await sharp({ create: { width: 100, height: 50, channels: 3, background: '#f00' } })
    .png()
    .toBuffer();
  const upright = await sharp({ create: { width: 200, height: 100, channels: 3, background: '#00f' } })
    .composite([{ input: red, left: 100, top: 0 }])
    .png()
    .toBuffer();
  return sharp(upright).rotate(-90).withMetadata({ orientation: 6 }).jpeg({ quality: 95 }).toBuffer();
}

describe('a crop', () => {
  test('shows the face with its margin, upright', async () => {
    const file = await photoOnItsSide();
    // The margin of 0.3 fills the red quarter exactly.
    const box = { left: 0.59375, top: 0.09375, width: 0.3125, height: 0.3125 };
    const seen = { box, width: 200, height: 100 };
    const crop = await renderCrop(file, seen, limits);
    expect(await sharp(crop.bytes).metadata()).toMatchObject({ format: 'jpeg', width: 100, height: 50 });
    const { channels } = await sharp(crop.bytes).stats();
    expect(channels[0]?.mean).toBeGreaterThan(240);
    expect(channels[2]?.mean).toBeLessThan(15);
    const small = await renderCrop(file, seen, { ...limits, cropWidth: 40 });
    expect(await sharp(small.bytes).metadata()).toMatchObject({ width: 40, height: 20 });
    const never = await renderCrop(file, seen, { ...limits, cropWidth: 1000 });
    expect(await sharp(never.bytes).metadata()).toMatchObject({ width: 100, height: 50 });
  });

  test('is not made of another photo than the one that was looked at', async () => {
    const box = { left: 0, top: 0, width: 1, height: 1 };
    const file = await photoOnItsSide();
    await expect(renderCrop(file, { box, width: 100, height: 200 }, limits)).rejects.toMatchObject({
      status: 409,
      code: 'photo_changed',
    });
    expect((await renderCrop(file, { box, width: null, height: null }, limits)).type).toBe('image/jpeg');
  });

  test('of what is no picture, or too large, is refused with the code of photos', async () => {
    const seen = { box: { left: 0, top: 0, width: 1, height: 1 }, width: null, height: null };
    await expect(renderCrop(Buffer.from('text'), seen, limits)).rejects.toMatchObject({ code: 'image_unreadable' });
    await expect(renderCrop(await photoOnItsSide(), seen, { ...limits, maxPixels: 9 })).rejects.toMatchObject({
      code: 'image_too_large',
    });
  });

  test.each([
    ['at the corner', { left: 0.99, top: 0.99, width: 0.01, height: 0.01 }],
    ['without a size', { left: 1, top: 1, width: 0, height: 0 }],
    ['of everything', { left: 0, top: 0, width: 1, height: 1 }],
  ])('of a box %s stays within the photo', (_where, box) => {
    for (const [width, height] of [
      [1, 1],
      [3, 7],
      [4000, 3000],
    ] as const) {
      const region = cutOut(box, width, height);
      expect(Math.min(region.left, region.top)).toBeGreaterThanOrEqual(0);
      expect(Math.min(region.width, region.height)).toBeGreaterThanOrEqual(1);
      expect(region.left + region.width).toBeLessThanOrEqual(width);
      expect(region.top + region.height).toBeLessThanOrEqual(height);
    }
  });
});
