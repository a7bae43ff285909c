import sharp from 'sharp';

/** Their loaders in libvips: JPEG, PNG, WebP, GIF, TIFF, and HEIF for AVIF. */
const PHOTO_LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map((name) => `VipsForeignLoad${name}`);

/**
 * Has libvips read formats of photos only, in the whole process and whatever a file is named. Others are dangerous before
 * they are refused: of a packed SVG of 58 kB merely the header takes 2.5 s and a gigabyte.
 */
export function allowOnlyPhotoFormats(): void {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: PHOTO_LOADERS });
}

/** SVG is the one drawing that people take for a photo; it need not be parsed to say so. */
export function looksLikeSvg(file: Uint8Array): boolean {
  return /<svg[\s>]/i.test(Buffer.from(file.buffer, file.byteOffset, Math.min(file.length, 1000)).toString('latin1'));
}
