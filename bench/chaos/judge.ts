import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, openDatabase, type Row } from '../../lib/database.ts';
import { IMAGE_STATUSES, type ImageStatus } from '../../lib/images.ts';
import type { LoadResult, Posted } from './post-load.ts';
import type { EventWatcher } from './watch-events.ts';

/** What became of a load. */
export interface Verdict {
  readonly posted: number;
  readonly accepted: number;
  readonly outcomes: Readonly<Record<ImageStatus, number>>;
  /** Accepted, and no row of that id and path is there. */
  readonly lost: number;
  /** Accepted, and without an outcome when nothing has moved for a long time. */
  readonly stuck: number;
  /** An outcome written over an outcome, one path with two ids, or the end of one image told twice. */
  readonly answeredTwice: number;
  /** Another outcome than the photo has where nothing goes wrong; `failed` is counted by itself. */
  readonly wrong: number;
  /** Events repeated or left out on one stream of them. */
  readonly eventFaults: number;
  /** What to look at, one line each. */
  readonly remarks: readonly string[];
}

/**
 * Makes the database note every outcome as it is written, by whomever: what the services themselves say of it is not
 * evidence. A change of the status back to pending (somebody has it tried again) allows another outcome.
 */
export async function installWitness(mysqlUrl: string): Promise<void> {
  await withDatabase(mysqlUrl, async (db) => {
    await db.query(
      `CREATE TABLE witnessed (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, image_id BIGINT UNSIGNED NOT NULL,
         old_status VARCHAR(16) NOT NULL, new_status VARCHAR(16) NOT NULL, KEY (image_id))`,
    );
    await db.query(
      `CREATE TRIGGER witness AFTER UPDATE ON images FOR EACH ROW
         INSERT INTO witnessed (image_id, old_status, new_status)
         SELECT NEW.id, OLD.status, NEW.status FROM (SELECT 1 AS one) AS changed
          WHERE NOT (OLD.status <=> NEW.status) OR NOT (OLD.finished_at <=> NEW.finished_at)`,
    );
  });
}

const ASK_EVERY_MS = 500;

/**
 * Waits until every row has an outcome, or none has got one for `patienceMs`.
 *
 * @returns how many have none
 */
export async function untilAllEnded(mysqlUrl: string, patienceMs: number): Promise<number> {
  return withDatabase(mysqlUrl, async (db) => {
    let last = -1;
    let movedAt = performance.now();
    for (;;) {
      const pending = await countPending(db).catch(() => null);
      if (pending === 0) return 0;
      if (pending !== null && pending !== last) {
        last = pending;
        movedAt = performance.now();
      }
      if (performance.now() - movedAt > patienceMs) return last;
      await sleep(ASK_EVERY_MS);
    }
  });
}

async function countPending(db: Database): Promise<number> {
  const [rows] = await db.query<Row[]>("SELECT COUNT(*) AS pending FROM images WHERE status = 'pending'");
  return rows[0]?.pending;
}

export interface Evidence {
  readonly mysqlUrl: string;
  readonly load: LoadResult;
  readonly events: EventWatcher;
}

/** Compares what the client was promised with what is in the database, and with what was told. */
export async function judge({ mysqlUrl, load, events }: Evidence): Promise<Verdict> {
  return withDatabase(mysqlUrl, async (db) => {
    const [rows] = await db.query<Row[]>('SELECT id, path, status, reason_code FROM images');
    const images = new Map(rows.map((row) => [row.id as number, row]));
    const accepted = load.posted.filter(({ ids }) => ids.size > 0);
    const find = ({ ids }: Posted) => [...ids].map((id) => images.get(id));
    const isLost = (one: Posted) => find(one).some((row) => row === undefined || !isPathOf(one, row.path));
    const lost = accepted.filter(isLost);
    const stuck = accepted.filter((one) => find(one).some((row) => row?.status === 'pending'));
    const wrong = accepted.filter((one) =>
      find(one).some((row) => row && !['pending', 'failed', one.photo.kind.status].includes(row.status)),
    );
    const failed = rows.filter((row) => row.status === 'failed');
    const [overwritten] = await db.query<Row[]>(
      `SELECT image_id, GROUP_CONCAT(old_status, '→', new_status ORDER BY id) AS changes
         FROM witnessed WHERE old_status <> 'pending' AND new_status <> 'pending' GROUP BY image_id`,
    );
    const [finishes] = await db.query<Row[]>(
      `SELECT image_id, COUNT(*) AS times FROM witnessed WHERE old_status = 'pending' GROUP BY image_id`,
    );
    const writtenOf = new Map(finishes.map((row) => [row.image_id as number, row.times as number]));
    const toldTwice = countOver(events.finished, (id) => writtenOf.get(id) ?? 0);
    const twoIds = accepted.filter(({ ids }) => ids.size > 1);
    const outcomes = Object.fromEntries(IMAGE_STATUSES.map((status) => [status, 0])) as Record<ImageStatus, number>;
    for (const one of accepted) for (const row of find(one)) if (row) outcomes[row.status as ImageStatus]++;
    return {
      posted: load.posted.length,
      accepted: accepted.length,
      outcomes,
      lost: lost.length,
      stuck: stuck.length,
      answeredTwice: overwritten.length + twoIds.length + toldTwice.length,
      wrong: wrong.length,
      eventFaults: events.repeated + events.gaps,
      remarks: [
        ...lost.slice(0, 10).map((one) => `lost: ${one.photo.path} ids ${[...one.ids].join(' ')}`),
        ...stuck.slice(0, 10).map((one) => `stuck: ${one.photo.path} ids ${[...one.ids].join(' ')}`),
        ...wrong.slice(0, 10).map((one) => `wrong: ${one.photo.path} (${one.photo.kind.name}) ${describe(find(one))}`),
        ...overwritten.slice(0, 10).map((row) => `written twice: ${row.image_id} ${row.changes}`),
        ...twoIds.slice(0, 10).map((one) => `two ids: ${one.photo.path} ${[...one.ids].join(' ')}`),
        ...toldTwice.slice(0, 10).map((id) => `told twice: ${id}`),
        ...failed.slice(0, 10).map((row) => `failed: ${row.path} ${row.reason_code}`),
      ],
    };
  });
}

const describe = (rows: readonly (Row | undefined)[]) =>
  rows.map((row) => `${row?.id} ${row?.status} ${row?.reason_code ?? ''}`).join(', ');

/** Of an upload, only the folder is known beforehand. */
function isPathOf({ photo }: Posted, path: string): boolean {
  return photo.upload === null ? path === photo.path : path.startsWith('uploads/');
}

/** Those that stand in the list more often than allowed. */
function countOver(ids: readonly number[], allowed: (id: number) => number): number[] {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].filter(([id, count]) => count > Math.max(1, allowed(id))).map(([id]) => id);
}

async function withDatabase<Result>(url: string, work: (db: Database) => Promise<Result>): Promise<Result> {
  const db = openDatabase(url, { connections: 2 });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}
