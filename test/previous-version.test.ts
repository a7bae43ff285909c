import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../lib/database.ts';
import { createDatabase, type TestDatabase } from './servers.ts';

/**
 * What the version before says to the database, in the names of the migrations that it was made for: each statement of its
 * services and tests once, whatever its values but NULL (a column may come to refuse that), from the log of a server
 * (`--general-log`); long lists and bytes shortened, hashes replaced. A version that is released brings its own, and takes the
 * place of the one before it.
 */
const STATEMENTS = new URL('./statements/0011.sql', import.meta.url);

let database: TestDatabase;
let db: Database;

beforeAll(async () => {
  database = await createDatabase();
  db = openDatabase(database.url, { connections: 1 });
});

afterAll(async () => {
  await db.close();
  await database.drop();
});

async function readStatements(): Promise<string[]> {
  return (await readFile(STATEMENTS, 'utf8')).trim().split('\n');
}

/** Whether the newest schema understands them; what they find or change in empty tables is forgotten. */
async function findRefused(statements: readonly string[]): Promise<string[]> {
  const refused: string[] = [];
  for (const statement of statements) {
    const forgotten = new Error('forgotten');
    await db
      .transact(async (connection) => {
        await connection.query('SET foreign_key_checks = 0');
        await connection.query(statement);
        throw forgotten;
      })
      .catch((error: Error) => {
        if (error !== forgotten) refused.push(`${error.message}: ${statement}`);
      });
  }
  return refused;
}

describe('while the version before is replaced', () => {
  test('each of its statements means something on the newest schema', async () => {
    const statements = await readStatements();
    expect(statements.length).toBeGreaterThan(600);
    expect(await findRefused(statements)).toEqual([]);
  });

  test('a migration that takes away what it needs, or wants what it does not give, is noticed', async () => {
    await db.query('ALTER TABLE enrolments RENAME COLUMN batch_id TO album_id');
    await db.query('ALTER TABLE person ADD COLUMN born DATE NOT NULL');
    const refused = await findRefused(await readStatements());
    expect(refused.filter((it) => it.includes("Unknown column 'batch_id'"))).not.toEqual([]);
    expect(refused.filter((it) => it.startsWith("Field 'born' doesn't have a default value"))).not.toEqual([]);
  });
});
