import type { BoundingBox, Picture } from './engine.ts';

/** A box in pixels as the ratios of the picture, clipped to it; null when nothing is left of it. */
export function clipBox(
  box: { left: number; top: number; width: number; height: number },
  { width, height }: Picture,
): BoundingBox | null {
  const left = clamp(box.left / width);
  const top = clamp(box.top / height);
  const right = clamp((box.left + box.width) / width);
  const bottom = clamp((box.top + box.height) / height);
  const clipped = { left, top, width: right - left, height: bottom - top };
  return areaOf(clipped) > 0 ? clipped : null;
}

const clamp = (ratio: number) => Math.min(1, Math.max(0, ratio));

/** Points in pixels as one array of x and y in turn, ratios of the picture; not clipped. */
export function toRatios(points: readonly { x: number; y: number }[], { width, height }: Picture): Float32Array {
  return Float32Array.from(points.flatMap(({ x, y }) => [x / width, y / height]));
}

export function areaOf(box: BoundingBox): number {
  return box.width * box.height;
}
