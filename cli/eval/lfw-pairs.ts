import { LaunchError } from '../launch-error.ts';

/** A photo as the protocol names it: person and number. */
export interface PhotoOfPair {
  readonly person: string;
  readonly number: number;
}

export interface NamedPair {
  readonly same: boolean;
  readonly photos: readonly [PhotoOfPair, PhotoOfPair];
}

/**
 * Reads the pairs of LFW's View 2 (vis-www.cs.umass.edu/lfw): `10⇥300` in the first line, then for each of ten folds 300
 * lines `name⇥i⇥j` (one person) and 300 lines `name1⇥i⇥name2⇥j` (two people).
 *
 * @returns the folds
 * @throws LaunchError that names the line which is not as it should be
 */
export function parsePairs(text: string): NamedPair[][] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  const [folds, half] = readHeader(lines[0] ?? '');
  const expected = folds * half * 2;
  if (lines.length - 1 !== expected) {
    throw new LaunchError(
      `The pairs file announces ${folds} folds of twice ${half} pairs, ${expected} lines, and has ${lines.length - 1}.`,
    );
  }
  return Array.from({ length: folds }, (_, fold) =>
    Array.from({ length: half * 2 }, (_unused, index) => {
      const at = 1 + fold * half * 2 + index;
      return readPair(lines[at] ?? '', at + 1, index < half);
    }),
  );
}

/** Where the protocol looks for a photo, relative to the tree and without extension: `Ada_Lovelace/Ada_Lovelace_0001`. */
export function stemOf({ person, number }: PhotoOfPair): string {
  return `${person}/${person}_${String(number).padStart(4, '0')}`;
}

function readHeader(line: string): [folds: number, half: number] {
  const [, folds, half] = /^(\d+)\s+(\d+)$/.exec(line) ?? [];
  if (Number(folds) < 2 || Number(half) < 1 || folds === undefined) {
    throw new LaunchError(
      `The pairs file should begin with the numbers of folds (at least 2) and of pairs, like "10\\t300", not with ${JSON.stringify(line)}.`,
    );
  }
  return [Number(folds), Number(half)];
}

function readPair(line: string, lineNumber: number, same: boolean): NamedPair {
  const fields = line.split('\t');
  const [first = '', i = '', ...rest] = fields;
  const [second, j] = same ? [first, rest[0]] : [rest[0], rest[1]];
  const areNumbers = /^\d+$/.test(i) && /^\d+$/.test(j ?? '');
  if (fields.length !== (same ? 3 : 4) || !areNumbers || !first || !second) {
    const wanted = same ? 'name⇥i⇥j (one person)' : 'name1⇥i⇥name2⇥j (two people)';
    throw new LaunchError(
      `Line ${lineNumber} of the pairs file should be ${wanted}, separated by tabs, not ${JSON.stringify(line)}.`,
    );
  }
  return {
    same,
    photos: [
      { person: first, number: Number(i) },
      { person: second, number: Number(j) },
    ],
  };
}
