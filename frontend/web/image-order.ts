export const imageOrders = ['newest', 'oldest', 'path'] as const;

/** newest, oldest: as they were posted. */
export type ImageOrder = (typeof imageOrders)[number];

/** What tells where an image stands. */
export interface Place {
  readonly id: number;
  /** Only by path it matters. */
  readonly path: string;
}

/** As `Array.sort` wants it: negative when `a` comes first. */
export function comparePlaces(order: ImageOrder, a: Place, b: Place): number {
  if (order === 'newest') return b.id - a.id;
  return order === 'path' ? comparePaths(a.path, b.path) || a.id - b.id : a.id - b.id;
}

/** The receiver compares so many characters. */
const pathStart = 255;

/** By code points, as the database does; what JavaScript compares are halves of characters. */
function comparePaths(a: string, b: string): number {
  if (a === b) return 0;
  const [first, second] = [Array.from(a).slice(0, pathStart), Array.from(b).slice(0, pathStart)];
  const place = first.findIndex((character, index) => character !== second[index]);
  if (place < 0) return first.length - second.length;
  return (first[place]?.codePointAt(0) ?? 0) - (second[place]?.codePointAt(0) ?? 0);
}

/** How many of the sorted `places` come before `place`. */
export function countBefore(order: ImageOrder, places: readonly Place[], place: Place): number {
  let low = 0;
  for (let high = places.length; low < high; ) {
    const middle = (low + high) >>> 1;
    const at = places[middle];
    if (at && comparePlaces(order, at, place) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
