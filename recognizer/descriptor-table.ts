import { DIMENSIONS } from './gallery-index.ts';

/** Faces in one page: 2 MB. Growing by pages never copies what is there. */
export const FACES_PER_PAGE = 4096;

export interface DescriptorTable {
  write(slot: number, descriptor: Float32Array): void;
  /** Leaves zeros. */
  erase(slot: number): void;
  /** A view, not a copy. */
  read(slot: number): Float32Array;
  /** Squared Euclidean distance of the probe and the descriptor in that slot. */
  squaredDistance(probe: Float32Array, slot: number): number;
}

/** Descriptors by slot number, in a few large arrays: a million of them are 512 MB and no objects. */
export function createDescriptorTable(): DescriptorTable {
  const pages: Float32Array[] = [];
  const pageOf = (slot: number) => {
    const number = Math.floor(slot / FACES_PER_PAGE);
    while (pages.length <= number) pages.push(new Float32Array(FACES_PER_PAGE * DIMENSIONS));
    return pages[number] as Float32Array;
  };
  const read = (slot: number) => {
    const start = (slot % FACES_PER_PAGE) * DIMENSIONS;
    return pageOf(slot).subarray(start, start + DIMENSIONS);
  };
  return {
    read,
    write: (slot, descriptor) => read(slot).set(descriptor),
    erase: (slot) => void read(slot).fill(0),
    squaredDistance: (probe, slot) => sumOfSquares(probe, pageOf(slot), (slot % FACES_PER_PAGE) * DIMENSIONS),
  };
}

/** Four sums, so that the additions need not wait for each other. */
function sumOfSquares(probe: Float32Array, page: Float32Array, start: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < DIMENSIONS; i += 4) {
    const first = (probe[i] as number) - (page[start + i] as number);
    const second = (probe[i + 1] as number) - (page[start + i + 1] as number);
    const third = (probe[i + 2] as number) - (page[start + i + 2] as number);
    const fourth = (probe[i + 3] as number) - (page[start + i + 3] as number);
    a += first * first;
    b += second * second;
    c += third * third;
    d += fourth * fourth;
  }
  return a + b + c + d;
}
