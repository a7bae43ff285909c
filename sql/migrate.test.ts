import { expect, test } from 'vitest';
import { splitStatements } from './migrate.ts';

test('a file is split at each semicolon that ends a line; comment lines go', () => {
  const text = "-- why; because\nCREATE TABLE a (\n  -- of b\n  b INT DEFAULT ';x'\n);\n\nINSERT INTO a VALUES (1);\n";
  expect(splitStatements(text)).toEqual(["CREATE TABLE a (\n  b INT DEFAULT ';x'\n)", 'INSERT INTO a VALUES (1)']);
});
