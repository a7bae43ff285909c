import { link, mkdir } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { doAll } from './do-all.ts';

const POSTS_AT_ONCE = 4;
/** Seldom: asking costs CPU time, and when a result was stored is read from its row. */
const ASK_EVERY_MS = 250;
const GIVE_UP_MS = 600_000;

export interface Submitted {
  /** From before the first POST to the last stored result, by the database's own time of each. */
  readonly ms: number;
  readonly faces: number;
}

export interface Submitter {
  /** @param how one POST a photo to /image/post, or one for all to /images/post */
  submit(photos: readonly string[], how: 'one by one' | 'in bulk'): Promise<Submitted>;
  close(): Promise<void>;
}

/** Posts photos to a receiver and sees in the database when their results are stored. */
export function openSubmitter(options: { mysqlUrl: string; receiverPort: number; photosFolder: string }): Submitter {
  const db = openDatabase(options.mysqlUrl, { connections: 1 });
  const agent = new Agent({ keepAlive: true });
  const post = (path: string, body: object) => postJson(agent, options.receiverPort, path, body);
  let batches = 0;
  return {
    async submit(photos, how) {
      // A path that was posted before is the same image, and is not looked at again.
      const folder = `batch-${batches++}`;
      const paths = photos.map((_, index) => join(folder, `${index}.jpg`));
      await mkdir(join(options.photosFolder, folder));
      for (const [index, path] of paths.entries()) await link(photos[index] ?? '', join(options.photosFolder, path));
      const startedAt = Date.now();
      if (how === 'in bulk') await post('/images/post', { paths: paths.map((path) => ({ path })) });
      else await doAll(paths, POSTS_AT_ONCE, (path) => post('/image/post', { path }));
      await untilAllEnded(db);
      const { finishedAt, faces } = await readResults(db, folder, photos.length);
      return { ms: finishedAt - startedAt, faces };
    },
    async close() {
      agent.destroy();
      await db.close();
    },
  };
}

/** @throws unless it is answered 202 */
export function postJson(agent: Agent, port: number, path: string, body: object): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ agent, host: '127.0.0.1', port, path, method: 'POST' }, (response) => {
      response.resume().once('error', reject);
      response.once('end', () => {
        if (response.statusCode === 202) resolve();
        else reject(new Error(`POST ${path} was answered ${response.statusCode}.`));
      });
    })
      .once('error', reject)
      .end(JSON.stringify(body));
  });
}

async function untilAllEnded(db: Database): Promise<void> {
  const deadline = Date.now() + GIVE_UP_MS;
  for (;;) {
    const [rows] = await db.query<Row[]>("SELECT 1 FROM images WHERE status = 'pending' LIMIT 1");
    if (rows.length === 0) return;
    if (Date.now() > deadline) throw new Error(`After ${GIVE_UP_MS / 1000} s some photos have no result.`);
    await sleep(ASK_EVERY_MS);
  }
}

/** @throws unless every photo was recognised */
async function readResults(db: Database, folder: string, photos: number) {
  const [rows] = await db.query<Row[]>(
    `SELECT COUNT(*) AS images, MAX(finished_at) AS finished_at,
        (SELECT COUNT(*) FROM faces WHERE image_id IN (SELECT id FROM images WHERE path LIKE ?)) AS faces
       FROM images WHERE path LIKE ? AND status IN ('matched', 'unknown')`,
    [`${folder}/%`, `${folder}/%`],
  );
  const [result] = rows;
  if (result?.images !== photos) throw new Error(`Of ${photos} photos ${result?.images} were recognised.`);
  return { finishedAt: (result.finished_at as Date).getTime(), faces: result.faces as number };
}
