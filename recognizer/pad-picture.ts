import sharp from 'sharp';
import type { BoundingBox, Picture } from './engine/engine.ts';

/** Longest side, before padding, of a picture that is padded: tripled, a larger one would cost gigabytes. */
const MAX_SIDE_TO_PAD = 682;

/** The picture in the middle of a black frame as wide and high, on each side, as the picture itself. */
export async function padPicture(picture: Picture): Promise<Picture> {
  const { width, height } = picture;
  const scale = Math.min(1, MAX_SIDE_TO_PAD / Math.max(width, height));
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const { data, info } = await sharp(picture.pixels, { raw: { width, height, channels: 3 } })
    .resize({ width: w, height: h, fit: 'fill' })
    .extend({ left: w, right: w, top: h, bottom: h, background: 'black' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { pixels: data, width: info.width, height: info.height, content: { left: w, top: h, width: w, height: h } };
}

/** A box of the padded picture as a box of the picture, clipped to it; null when it lies in the frame. */
export function unpadBox(box: BoundingBox): BoundingBox | null {
  const left = clamp(box.left * 3 - 1);
  const top = clamp(box.top * 3 - 1);
  const width = clamp((box.left + box.width) * 3 - 1) - left;
  const height = clamp((box.top + box.height) * 3 - 1) - top;
  return width > 0 && height > 0 ? { left, top, width, height } : null;
}

/** Points of the padded picture, x and y in turn, as points of the picture; they may lie beyond it. */
export function unpadPoints(points: Float32Array): Float32Array {
  return points.map((ratio) => ratio * 3 - 1);
}

const clamp = (ratio: number) => Math.min(1, Math.max(0, ratio));
