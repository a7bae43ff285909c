import type { Picture } from '../engine.ts';
import type { Region } from './fill-input.ts';

/**
 * The whole pixels of a picture that a detection covers. face-api turns the box into ratios and back before it cuts; in
 * some pictures that costs a box that ends at the border its last pixel, and so it does here.
 */
export function cropDetection(box: Region, picture: Picture): Region | null {
  const [toRatioX, toRatioY] = [1 / picture.width, 1 / picture.height];
  return cropToPicture(
    {
      left: box.left * toRatioX * picture.width,
      top: box.top * toRatioY * picture.height,
      width: box.width * toRatioX * picture.width,
      height: box.height * toRatioY * picture.height,
    },
    picture,
  );
}

/**
 * The whole pixels of a picture that a box covers: clipped, then rounded down, as in face-api's `extractFaceTensors`
 * (Box.clipAtImageBorders).
 *
 * @param box in pixels
 * @returns null when not one pixel is covered
 */
export function cropToPicture(box: Region, picture: Picture): Region | null {
  const left = Math.max(0, box.left);
  const top = Math.max(0, box.top);
  const region = {
    left: Math.floor(left),
    top: Math.floor(top),
    width: Math.floor(Math.min(box.left + box.width, picture.width) - left),
    height: Math.floor(Math.min(box.top + box.height, picture.height) - top),
  };
  return region.width > 0 && region.height > 0 ? region : null;
}
