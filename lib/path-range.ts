/** Characters in `images.path_start`. */
const PATH_START = 255;
/** The last of all characters: nothing that is stored comes after it. */
const LAST = '\u{10ffff}';

/**
 * Between which values of `images.path_start` the images lie whose path starts so; where `start` is as long as the column,
 * others may lie there as well.
 */
export function rangeOfFolder(start: string): { from: string; below: string } {
  const from = [...start].slice(0, PATH_START - 1).join('');
  return { from, below: `${from}${LAST}` };
}
