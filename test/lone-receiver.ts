import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, openDatabase } from '../lib/database.ts';
import {
  createDatabase,
  createStreamName,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';

export interface LoneReceiver {
  /** IMAGE_ROOTS. */
  readonly folder: string;
  readonly database: TestDatabase;
  readonly db: Database;
  readonly receiver: RunningService;
  stop(): Promise<void>;
}

/** A receiver with a folder of that name, a database and streams of its own, and nobody who does the work. */
export async function startLoneReceiver(name: string): Promise<LoneReceiver> {
  const folder = await mkdtemp(join(tmpdir(), `faceflow-${name}-`));
  const database = await createDatabase();
  const db = openDatabase(database.url);
  const receiver = await startService('receiver', {
    ...{ MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGE_ROOTS: folder },
    ...{ IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName() },
  });
  return {
    ...{ folder, database, db, receiver },
    async stop() {
      await receiver.stop();
      await db.close();
      await database.drop();
      await rm(folder, { recursive: true });
    },
  };
}
