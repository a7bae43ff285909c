import sharp from 'sharp';

/** Ratios 0..1 of the picture's width and height, origin top-left. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Of the box on each side: hair and chin tell people, too. */
const MARGIN = 0.2;
/** So many squares across a face leave that it is one, and not whose. */
const SQUARES = 7;

/** The picture as PNG, with everything in the boxes pixelated. */
export async function pixelateBoxes(picture: Uint8Array, boxes: readonly Box[]): Promise<Buffer> {
  const { width, height } = await sharp(picture)
    .autoOrient()
    .metadata()
    .then(({ autoOrient }) => autoOrient);
  const upright = await sharp(picture).autoOrient().png().toBuffer();
  const covers = boxes.map(async (box) => {
    const left = Math.max(0, Math.floor((box.left - MARGIN * box.width) * width));
    const top = Math.max(0, Math.floor((box.top - MARGIN * box.height) * height));
    const size = {
      width: Math.min(width - left, Math.ceil(box.width * (1 + 2 * MARGIN) * width)),
      height: Math.min(height - top, Math.ceil(box.height * (1 + 2 * MARGIN) * height)),
    };
    const squares = Math.min(SQUARES, size.width, size.height);
    const small = await sharp(upright)
      .extract({ left, top, ...size })
      .resize(squares, squares, { fit: 'fill' })
      .png()
      .toBuffer();
    const input = await sharp(small)
      .resize({ ...size, fit: 'fill', kernel: 'nearest' })
      .png()
      .toBuffer();
    return { input, left, top };
  });
  return sharp(upright)
    .composite(await Promise.all(covers))
    .png()
    .toBuffer();
}
