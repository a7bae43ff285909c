import { expect, test } from 'vitest';
import { parsePairs, stemOf } from './lfw-pairs.ts';

const TWO_FOLDS = '2\t1\nAda_L\t1\t2\nAda_L\t3\tBo\t12\nBo\t1\t4\nBo\t1\tCy\t1\n';

test('folds of matched and mismatched pairs', () => {
  expect(parsePairs(TWO_FOLDS)).toEqual([
    [
      { same: true, photos: [photo('Ada_L', 1), photo('Ada_L', 2)] },
      { same: false, photos: [photo('Ada_L', 3), photo('Bo', 12)] },
    ],
    [
      { same: true, photos: [photo('Bo', 1), photo('Bo', 4)] },
      { same: false, photos: [photo('Bo', 1), photo('Cy', 1)] },
    ],
  ]);
  expect(parsePairs(TWO_FOLDS.replaceAll('\n', '\r\n'))).toEqual(parsePairs(TWO_FOLDS));
});

test('where a photo is', () => {
  expect(stemOf(photo('Ada_L', 12))).toBe('Ada_L/Ada_L_0012');
  expect(stemOf(photo('Bo', 12345))).toBe('Bo/Bo_12345');
});

test.each([
  ['', 'should begin with the numbers of folds'],
  ['10', 'should begin with the numbers of folds'],
  ['1\t1\na\t1\t2\na\t1\tb\t1', 'at least 2'],
  ['2\t1\na\t1\t2', '4 lines, and has 1'],
  [TWO_FOLDS.replace('Ada_L\t1\t2', 'Ada_L\t1'), 'Line 2'],
  [TWO_FOLDS.replace('Bo\t1\tCy\t1', 'Bo\t1\t2'), 'Line 5'],
  [TWO_FOLDS.replace('Bo\t1\t4', 'Bo\tone\t4'), 'Line 4'],
])('%j is refused', (text, message) => {
  expect(() => parsePairs(text)).toThrow(message);
});

function photo(person: string, number: number) {
  return { person, number };
}
