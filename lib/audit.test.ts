import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const PROJECT = new URL('../', import.meta.url);
const FOLDERS = ['lib', 'receiver', 'processor', 'recognizer', 'cli', 'sql'];
const CHANGES =
  /\b(UPDATE|DELETE\s+FROM|REPLACE\s+INTO|TRUNCATE(\s+TABLE)?|DROP\s+TABLE(\s+IF\s+EXISTS)?)\s+`?audit\b/i;

test('no statement anywhere changes or removes what is in the audit', () => {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(new URL(folder, PROJECT), { recursive: true })
      .map((file) => `${folder}/${file}`)
      .filter((file) => /\.(ts|sql)$/.test(file) && !file.endsWith('.test.ts')),
  );
  expect(files).toContain('lib/audit.ts');
  for (const statement of ['update audit set', 'DELETE FROM audit WHERE', 'truncate audit']) {
    expect(statement).toMatch(CHANGES);
  }
  expect(files.filter((file) => CHANGES.test(readFileSync(new URL(file, PROJECT), 'utf8')))).toEqual([]);
});
