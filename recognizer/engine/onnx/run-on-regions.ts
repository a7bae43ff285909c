import type { Picture } from '../engine.ts';
import { fillInput, type InputFormat, type Region } from './fill-input.ts';
import type { Session } from './session.ts';

/** More faces at once are hardly faster, and memory grows with them. */
const BATCH = 16;

/**
 * Shows regions of a picture to a network, several at a time.
 *
 * @param output the name of the network's output
 * @returns the output's row for each region
 */
export async function runOnRegions(
  session: Session,
  picture: Picture,
  regions: readonly Region[],
  { format, output }: { format: InputFormat; output: string },
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  const inputLength = 3 * format.size ** 2;
  for (let start = 0; start < regions.length; start += BATCH) {
    const batch = regions.slice(start, start + BATCH);
    const input = new Float32Array(batch.length * inputLength);
    batch.forEach((region, index) => {
      fillInput(input.subarray(index * inputLength, (index + 1) * inputLength), picture, region, format);
    });
    const { [output]: values } = await session.run(input, [batch.length, 3, format.size, format.size]);
    if (values === undefined) throw new Error(`The network has no output ${output}.`);
    const rowLength = values.length / batch.length;
    batch.forEach((_, index) => void rows.push(values.slice(index * rowLength, (index + 1) * rowLength)));
  }
  return rows;
}
