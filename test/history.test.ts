import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countReasons } from '../lib/count-images.ts';
import { type Database, openDatabase } from '../lib/database.ts';
import { countMinutes, type ImageMinute, readMinutes, writeMinutes } from '../lib/image-history.ts';
import { openImages } from '../lib/images.ts';
import { readDatabaseTime } from '../lib/outbox.ts';
import { findLeaders, listReplicas, removeDeadReplicas } from '../lib/replicas.ts';
import { putBack } from '../lib/retry.ts';
import { retryImagesById } from '../lib/retry-images.ts';
import { ask as askAt } from './ask.ts';
import { startBothServers } from './both-servers.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

// What the page's System view shows: minutes that were counted, reasons, replicas.

const servers = await startBothServers('the server of the run');

const MINUTE_MS = 60_000;

describe.each(servers)('minutes on $name', ({ url }) => {
  let database: TestDatabase;
  let db: Database;
  /** Of the database's time, when the current minute began. */
  let base: number;

  beforeAll(async () => {
    database = await createDatabase({ server: url() });
    db = openDatabase(database.url);
    base = Math.floor((await readDatabaseTime(db)).getTime() / MINUTE_MS) * MINUTE_MS;
  });
  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  const record = async () => {
    const minutes = await countMinutes(db);
    await db.transact((connection) => writeMinutes(connection, minutes));
    return minutes.length;
  };
  const minuteAt = (minutes: readonly ImageMinute[], ago: number) =>
    minutes.find(({ at }) => at.getTime() === base - ago * MINUTE_MS);
  /** Images that ended so many minutes ago, so long after they were posted. */
  const addEnded = (ago: number, ...ends: readonly (readonly [status: string, tookMs: number])[]) =>
    db.query('INSERT INTO images (path, status, reason_code, created_at, finished_at) VALUES ?', [
      ends.map(([status, tookMs], n) => {
        const finishedAt = base - ago * MINUTE_MS + 10_000 + n;
        const reason = status === 'failed' ? 'too_many_tries' : null;
        return [`${Math.random()}.jpg`, status, reason, new Date(finishedAt - tookMs), new Date(finishedAt)];
      }),
    ]);

  test('the first time, the last day is filled in; of each minute how images ended, and after how long', async () => {
    const slow = Array.from({ length: 19 }, (_, n) => ['matched', (n + 1) * 1000] as const);
    await addEnded(5, ...slow, ['unknown', 90_000]);
    await addEnded(4, ['no_face', 200], ['unreadable', 50], ['failed', 60_000]);
    await openImages(db).addImages(['waiting.jpg', 'waits-too.jpg']);
    expect(await record()).toBeGreaterThanOrEqual(24 * 60);
    const minutes = await readMinutes(db, 60);
    expect(minutes.length).toBeGreaterThanOrEqual(59);
    expect(minuteAt(minutes, 5)).toEqual({
      ...{ at: new Date(base - 5 * MINUTE_MS), seconds: 60, backlog: null },
      ...{ matched: 19, unknown: 1, noFace: 0, unreadable: 0, failed: 0, p50Ms: 10_000, p95Ms: 19_000 },
    });
    expect(minuteAt(minutes, 4)).toMatchObject({ matched: 0, noFace: 1, unreadable: 1, failed: 1, p50Ms: 200 });
    expect(minuteAt(minutes, 3)).toMatchObject({ seconds: 60, matched: 0, p50Ms: null, p95Ms: null });
    expect(minutes.at(-1)).toMatchObject({ backlog: 2 });
    expect(minutes.at(-1)?.at.getTime()).toBeGreaterThanOrEqual(base);
  });

  test('counted again it is only the last minutes; what is put back has ended then all the same', async () => {
    expect(await record()).toBeLessThan(10);
    await addEnded(1, ['failed', 5_000], ['failed', 5_000]);
    await db.query('DELETE FROM image_minutes WHERE minute >= ?', [new Date(base - 2 * MINUTE_MS)]);
    await record();
    expect(minuteAt(await readMinutes(db, 60), 1)).toMatchObject({ failed: 2, backlog: null });
    const failed = await db.query("SELECT id FROM images WHERE status = 'failed' AND finished_at > ?", [
      new Date(base - 2 * MINUTE_MS),
    ]);
    const [one, other] = (failed[0] as { id: number }[]).map(({ id }) => id);
    await retryImagesById(db, [one as number], { caller: 'local', requestId: null, operation: null });
    await db.transact((connection) => putBack(connection, 'images', [other as number], { statuses: ['failed'] }));
    await record();
    const minutes = await readMinutes(db, 60);
    expect(minuteAt(minutes, 1)).toMatchObject({ failed: 2, p50Ms: 5_000 });
    expect(minutes.at(-1)).toMatchObject({ backlog: 4 });
  });

  test('reasons are counted, and how many are tried again by themselves', async () => {
    await db.query("UPDATE images SET retry_at = NOW(3) + INTERVAL 1 HOUR WHERE status = 'failed'");
    expect(await countReasons(db)).toEqual([
      { status: 'failed', reason: 'too_many_tries', count: 1, scheduled: 1 },
      { status: 'unreadable', reason: null, count: 1, scheduled: 0 },
    ]);
  });

  test('old minutes are forgotten', async () => {
    await db.query('UPDATE image_minutes SET minute = minute - INTERVAL 3 DAY WHERE minute < ?', [
      new Date(base - 30 * MINUTE_MS),
    ]);
    await record();
    const [rows] = await db.query('SELECT COUNT(*) AS count FROM image_minutes WHERE minute < NOW() - INTERVAL 2 DAY');
    expect(rows).toEqual([{ count: 0 }]);
  });
});

describe('replicas', () => {
  let database: TestDatabase;
  let folder: string;
  const running: RunningService[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    folder = await mkdtemp(join(tmpdir(), 'faceflow-history-'));
    const env = { MYSQL_URL: database.url, NATS_URL: natsUrl(), LEADER_LEASE_MS: '20000', IMAGE_ROOTS: folder };
    const streams = { IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName() };
    running.push(await startService('receiver', { ...env, ...streams }));
    running.push(await startService('receiver', { ...env, ...streams }));
  });
  afterAll(async () => {
    await Promise.all(running.map((service) => service.stop()));
    await database.drop();
    await rm(folder, { recursive: true });
  });

  interface System {
    readonly replicas: readonly { service: string; name: string; leads: readonly string[] }[];
    readonly disk: { freeBytes: number; totalBytes: number } | null;
  }

  const ask = async <Body>(path: string) =>
    (await askAt<Body>('GET', `http://127.0.0.1:${running.at(-1)?.port}${path}`)).body;
  const findLeader = async () => {
    const leaders = (await ask<System>('/v1/system')).replicas.filter(({ leads }) => leads.includes('history'));
    expect(leaders.length).toBeLessThanOrEqual(1);
    return leaders[0];
  };

  test('every process says that it is there, one leads, and one that is stopped is gone', async () => {
    const first = await waitFor('a leader', findLeader);
    expect(first.leads).toEqual(['sweep', 'retry', 'tidy', 'history', 'wake', 'webhooks']);
    const { replicas, disk } = await waitFor('both to be told of', async () => {
      const system = await ask<System>('/v1/system');
      return system.replicas.length > 1 && system;
    });
    expect(replicas.map(({ service }) => service)).toEqual(['receiver', 'receiver']);
    expect(disk?.freeBytes).toBeLessThan(disk?.totalBytes ?? 0);
    const { minutes } = await waitFor('minutes', async () => {
      const history = await ask<{ minutes: { backlog: number | null }[] }>('/v1/stats/history?minutes=1440');
      return history.minutes.length > 1_000 && history;
    });
    expect(minutes.at(-1)?.backlog).toBe(0);
    const leading = await Promise.all(
      running.map(async ({ port }) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
    );
    const leader = leading.findIndex((metrics) => metrics.includes('faceflow_leader{jobs="queue"} 1\n'));
    expect(leader).toBeGreaterThanOrEqual(0);
    const [stopped] = running.splice(leader, 1);
    await stopped?.stop();
    const second = await waitFor('the other to lead', findLeader);
    expect(second.name).not.toBe(first.name);
    expect((await ask<System>('/v1/system')).replicas.length).toBe(1);
  });

  test('of two that say that they lead the newer one does; silent ones are not listed, and forgotten in time', async () => {
    // Where nobody leads who would forget them first.
    const own = await createDatabase();
    const db = openDatabase(own.url);
    const add = (name: string, fence: number, silentSeconds: number) =>
      db.query(
        `INSERT INTO replicas (id, service, name, details, seen_at)
         VALUES (UUID(), 'processor', ?, ?, CURRENT_TIMESTAMP(3) - INTERVAL ? SECOND)`,
        [name, JSON.stringify({ leads: { fence, jobs: ['rematch'] } }), silentSeconds],
      );
    await add('killed', 7, 5);
    await add('newer', 8, 5);
    await add('silent', 9, 60);
    await add('dead', 9, 7_200);
    const listed = (await listReplicas(db)).filter(({ service }) => service === 'processor');
    expect(listed.map(({ name }) => name)).toEqual(['killed', 'newer']);
    expect(findLeaders(listed).get('rematch')?.name).toBe('newer');
    expect(await removeDeadReplicas(db)).toBe(1);
    await db.close();
    await own.drop();
  });
});
