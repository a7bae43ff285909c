import sharp from 'sharp';
import type { SeenImage } from './answers.ts';

/**
 * Draws boxes and names on a photo.
 *
 * @param photo upright, as the API shows it
 * @param file its ending says the format
 */
export async function drawBoxes(photo: Buffer, { faces }: SeenImage, file: string): Promise<void> {
  const { width = 1, height = 1 } = await sharp(photo).metadata();
  const line = Math.max(2, Math.round(Math.max(width, height) / 400));
  const marks = faces.flatMap(({ box, person, similarity }) => {
    if (box === null) return [];
    const [x, y, w, h] = [box.left * width, box.top * height, box.width * width, box.height * height];
    const colour = person === null ? '#f59e0b' : '#22c55e';
    const label =
      person === null ? 'unknown' : `${person.name}${similarity === null ? '' : ` ${similarity.toFixed(2)}`}`;
    const size = line * 8;
    return [
      `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="none" stroke="${colour}" stroke-width="${line}"/>`,
      `<text x="${x}" y="${y > size * 1.2 ? y - line * 2 : y + h + size}" font-family="sans-serif" font-size="${size}"
        font-weight="bold" fill="${colour}" stroke="#000" stroke-width="${line / 4}">${escapeXml(label)}</text>`,
    ];
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${marks.join('')}</svg>`;
  await sharp(photo)
    .composite([{ input: Buffer.from(svg), left: 0, top: 0 }])
    .toFile(file);
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeXml = (text: string) => text.replace(/[&<>"]/g, (letter) => ESCAPES[letter] ?? letter);
