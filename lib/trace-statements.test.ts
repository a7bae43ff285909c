import { expect, test } from 'vitest';
import { summarise } from './trace-statements.ts';

test.each([
  ['SELECT path, status FROM images WHERE id = ?', [7], 'SELECT images'],
  ['\n  update images set status = ? WHERE id = ?', ['x', 7], 'UPDATE images'],
  ['INSERT INTO faces (image_id) VALUES ? ON DUPLICATE KEY UPDATE image_id = 1', [[[7]]], 'INSERT faces'],
  ['UPDATE ?? SET enqueued_at = NULL WHERE id IN (?)', ['enrolments', [7]], 'UPDATE enrolments'],
  ['SELECT x.id FROM (SELECT id FROM person) x', undefined, 'SELECT person'],
  ["SHOW GLOBAL VARIABLES LIKE 'wsrep_on'", undefined, 'SHOW'],
])('%s', (sql, values, summary) => {
  expect(summarise([sql, values])).toBe(summary);
});
