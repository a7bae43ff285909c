import { expect, test } from 'vitest';
import { formatColumns } from './print.ts';

test('columns stand below each other, whatever is in them', () => {
  const rows = [
    ['中文照片.jpg', 'matched'],
    ['e\u0301te\u0301.jpg', 'unknown'],
    ['a.jpg', 'unknown'],
  ];
  expect(formatColumns(['photo', 'status'], rows).split('\n')).toEqual([
    'photo         status',
    '────────────  ───────',
    '中文照片.jpg  matched',
    'e\u0301te\u0301.jpg       unknown',
    'a.jpg         unknown',
  ]);
});

test('one long path does not push all other rows apart', () => {
  const long = 'x'.repeat(300);
  const lines = formatColumns(
    ['photo', 'status'],
    [
      [long, 'matched'],
      ['a.jpg', 'unknown'],
    ],
  ).split('\n');
  expect(lines[1]?.length).toBeLessThan(90);
  expect(lines[2]).toBe(`${long}  matched`);
  expect(lines[3]?.length).toBeLessThan(90);
});

test('what a file is called is not obeyed by the terminal', () => {
  expect(formatColumns(['photo'], [['new\nline\u001b[31m\u009b.jpg']]).split('\n')[2]).toBe(
    'new\\x0aline\\x1b[31m\\x9b.jpg',
  );
});

test('as many rows as there are', () => {
  const rows = Array.from({ length: 150_000 }, () => ['a']);
  expect(formatColumns(['photo'], rows).split('\n')).toHaveLength(150_002);
});
