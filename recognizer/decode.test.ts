import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodePhoto } from './decode.ts';
import type { Picture } from './engine/engine.ts';

const SAMPLE = join(import.meta.dirname, '../node_modules/@vladmandic/face-api/demo/sample1.jpg');
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>';
/** 480 × 320, upright, sRGB. */
let small: Buffer;
let reference: Picture;

beforeAll(async () => {
  small = await sharp(SAMPLE).resize(480, 320).png().toBuffer();
  reference = (await decodePhoto(small)).picture;
});

/** Mean absolute difference of the channels, 0..255. */
function differenceOf(a: Picture, b: Picture): number {
  expect([a.width, a.height, a.pixels.length]).toEqual([b.width, b.height, b.pixels.length]);
  let sum = 0;
  for (let i = 0; i < a.pixels.length; i++) sum += Math.abs((a.pixels[i] ?? 0) - (b.pixels[i] ?? 0));
  return sum / a.pixels.length;
}

async function greyOf(): Promise<Picture> {
  return (await decodePhoto(await sharp(small).greyscale().toColourspace('srgb').png().toBuffer())).picture;
}

/** A PNG whose header says another size: what a few kilobytes may unpack to. */
function claimSize(png: Buffer, width: number, height: number): Buffer {
  const bomb = Buffer.from(png);
  bomb.writeUInt32BE(width, 16);
  bomb.writeUInt32BE(height, 20);
  bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
  return bomb;
}

describe('what a file may look like', () => {
  const variants: Record<string, () => Promise<Buffer>> = {
    'a JPEG': () => sharp(small).jpeg({ quality: 95 }).toBuffer(),
    'a progressive JPEG': () => sharp(small).jpeg({ quality: 95, progressive: true }).toBuffer(),
    'a 16-bit PNG': () => sharp(small).toColourspace('rgb16').png().toBuffer(),
    'an opaque PNG with alpha': () => sharp(small).ensureAlpha(1).png().toBuffer(),
    'a WebP': () => sharp(small).webp({ quality: 95 }).toBuffer(),
    'an AVIF': () => sharp(small).avif({ quality: 90 }).toBuffer(),
    'a TIFF': () => sharp(small).tiff({ compression: 'lzw' }).toBuffer(),
    'a GIF': () => sharp(small).gif({ dither: 0 }).toBuffer(),
    'a CMYK JPEG': () => sharp(small).toColourspace('cmyk').jpeg({ quality: 95 }).toBuffer(),
    'a P3 JPEG': () => sharp(small).withIccProfile('p3').jpeg({ quality: 95 }).toBuffer(),
  };

  test.each(Object.entries(variants))('%s is the same picture', async (_name, make) => {
    const { picture, width, height } = await decodePhoto(await make());
    expect({ width, height }).toEqual({ width: 480, height: 320 });
    // CMYK cannot say every colour; everything else comes within a few grey levels.
    expect(differenceOf(picture, reference)).toBeLessThan(12);
  });

  test.each([
    ['8-bit', 'b-w'],
    ['16-bit', 'grey16'],
  ])('%s greyscale has three equal channels', async (_name, space) => {
    const file = await sharp(small).toColourspace(space).png().toBuffer();
    expect((await sharp(file).metadata()).channels).toBe(1);
    expect(differenceOf((await decodePhoto(file)).picture, await greyOf())).toBeLessThan(2);
  });

  test('transparency is laid on white', async () => {
    const clear = { create: { width: 8, height: 8, channels: 4 as const, background: { r: 0, g: 0, b: 0, alpha: 0 } } };
    const { picture } = await decodePhoto(await sharp(clear).png().toBuffer());
    expect([...new Set(picture.pixels)]).toEqual([255]);
  });

  test('a moving GIF gives its first frame', async () => {
    const frame = (background: string) => sharp({ create: { width: 8, height: 8, channels: 3, background } }).png();
    const frames = await Promise.all([frame('red').toBuffer(), frame('blue').toBuffer()]);
    const { picture, height } = await decodePhoto(
      await sharp(frames, { join: { animated: true } })
        .gif()
        .toBuffer(),
    );
    expect(height).toBe(8);
    expect([...picture.pixels.subarray(0, 3)]).toEqual([255, 0, 0]);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('EXIF orientation %i is undone', async (orientation) => {
    const stored = await sharp(small).withMetadata({ orientation }).png().toBuffer();
    const { picture, width, height } = await decodePhoto(stored);
    expect([width, height]).toEqual(orientation < 5 ? [480, 320] : [320, 480]);
    const upright = await sharp(stored).autoOrient().png().toBuffer();
    expect(differenceOf(picture, (await decodePhoto(upright)).picture)).toBe(0);
    // The picture has really been turned, not only measured.
    if (orientation === 3) expect(picture.pixels.at(-3)).toBe(reference.pixels[0]);
  });

  test('the usual sRGB profile changes nothing, so it is not applied; any other is', async () => {
    // The samples carry it; a picture with another profile and the same numbers has other colours.
    const plain = await sharp(SAMPLE).resize(480, 320).keepIccProfile().png().toBuffer();
    const { icc } = await sharp(plain).metadata();
    expect(icc?.toString('latin1')).toContain('sRGB IEC61966-2.1');
    const converted = await sharp(plain).raw().toBuffer();
    const { picture } = await decodePhoto(plain);
    expect(differenceOf(picture, { ...picture, pixels: converted })).toBe(0);
    const untouched = await sharp(plain, { ignoreIcc: true }).raw().toBuffer();
    expect(Buffer.compare(picture.pixels, untouched)).toBe(0);

    const wide = await sharp(plain, { ignoreIcc: true }).withIccProfile('p3', { attach: true }).png().toBuffer();
    const numbers = await sharp(wide, { ignoreIcc: true }).raw().toBuffer();
    expect(differenceOf((await decodePhoto(wide)).picture, { ...picture, pixels: numbers })).toBeGreaterThan(0.5);
  });

  test('a large original is decoded smaller and keeps its size in the answer', async () => {
    const file = await sharp(small).resize(4800, 3200, { kernel: 'nearest' }).jpeg().toBuffer();
    const { picture, width, height } = await decodePhoto(file);
    expect([width, height, picture.width, picture.height]).toEqual([4800, 3200, 2048, 1365]);
  });
});

describe('what is refused', () => {
  test.each([
    ['an empty file', Buffer.alloc(0), 'image_empty', 'The file is empty.'],
    ['a text', Buffer.from('hello'), 'image_unreadable', 'cannot be read as a picture: it contains unsupported image'],
    ['an SVG', Buffer.from(SVG), 'image_format_unsupported', 'SVG'],
    ['a packed SVG', gzipSync(SVG), 'image_unreadable', 'it contains unsupported image format.'],
    ['a header alone', readFileSync(SAMPLE).subarray(0, 800), 'image_unreadable', 'premature end of JPEG image.'],
  ])('%s', async (_name, file, code, message) => {
    await expect(decodePhoto(file)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test('a bomb is refused by what it claims, before it is unpacked', async () => {
    const peakBefore = process.resourceUsage().maxRSS;
    await expect(decodePhoto(claimSize(small, 20_000, 15_000))).rejects.toMatchObject({
      code: 'image_too_large',
      message: 'The picture has 20000 × 15000 pixels; at most 200 million are read.',
    });
    // kB; unpacked it has 900 MB.
    expect(process.resourceUsage().maxRSS - peakBefore).toBeLessThan(300_000);
  });

  test('how much is too much can be said', async () => {
    await expect(decodePhoto(small, { maxPixels: 480 * 320 })).resolves.toMatchObject({ width: 480 });
    await expect(decodePhoto(small, { maxPixels: 480 * 320 - 1 })).rejects.toMatchObject({
      code: 'image_too_large',
      message: 'The picture has 480 × 320 pixels; at most 153599 are read.',
    });
  });

  test('a truncated photo', async () => {
    const half = readFileSync(SAMPLE).subarray(0, 100_000);
    await expect(decodePhoto(half)).rejects.toMatchObject({
      code: 'image_unreadable',
      message: expect.stringContaining('premature end'),
    });
  });
});
