import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { type Database, openDatabase, type Row } from '../lib/database.ts';
import { type Answer, ask, type Json } from './ask.ts';
import { samplePhoto } from './sample-photos.ts';
import { createDatabase, createStreamName, natsUrl, type RunningService, startService } from './servers.ts';
import type { TlsServers } from './tls-servers.ts';
import { waitFor } from './wait-for.ts';

export interface SeenFace {
  readonly id: number;
  readonly box: { left: number; top: number; width: number; height: number };
  readonly person: { id: number; name: string } | null;
  readonly quality: { readonly reasons: readonly string[] } | null;
}

export interface PeopleServices {
  readonly db: Database;
  readonly databaseUrl: string;
  readonly url: string;
  /** IMAGES_STREAM, which the names of their other streams begin with. */
  readonly stream: string;
  /** IMAGE_ROOTS: the sample photos as sample1.jpg…, one photo with one face each as a.jpg…, see FACES. */
  readonly photos: string;
  readonly known: string;
  /** GALLERY_SNAPSHOT: what the recognizer keeps on disk. */
  readonly snapshot: string;
  readonly recognizer: RunningService;
  readonly receiver: RunningService;
  /** The one that runs now. */
  processor(): RunningService;
  /** Another one beside it, that knows one model only; null unless it was asked for. */
  readonly pinned: RunningService | null;
  /** Kills the processor, or stops it, and starts another. */
  restartProcessor(signal: NodeJS.Signals): Promise<void>;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Posts files as a form. */
  upload(path: string, files: Record<string, Uint8Array>, fields?: Record<string, string>): Promise<Answer>;
  /** Posts a photo and waits for its faces, largest first. */
  process(path: string): Promise<{ id: number; status: string; faces: SeenFace[] }>;
  /** Waits until nothing of a batch is pending, and tells why photos were refused. */
  finish(answer: Answer): Promise<{ batch: Json; codes: (string | null)[] }>;
  /** Keeps the job that decides photos again from writing meanwhile: it would be quick to find what is marked for it. */
  whileNothingIsDecidedAgain<Result>(work: () => Promise<Result>): Promise<Result>;
  stop(): Promise<void>;
}

/** Faces of the sample photos that are seen well, as a person cuts them out: nobody is here twice. */
const FACES = {
  'a.jpg': { of: 4, box: { left: 0.515, top: 0.124, width: 0.088, height: 0.157 } },
  'b.jpg': { of: 5, box: { left: 0.196, top: 0.615, width: 0.09, height: 0.215 } },
  'c.jpg': { of: 5, box: { left: 0.732, top: 0.279, width: 0.086, height: 0.194 } },
  'd.jpg': { of: 6, box: { left: 0.355, top: 0.209, width: 0.083, height: 0.2 } },
  'e.jpg': { of: 6, box: { left: 0.774, top: 0.171, width: 0.11, height: 0.193 } },
} as const;

/**
 * Receiver, processor and recognizer, for real, with a database, a stream and folders of their own; or, with the database and
 * the stream of `servers`, each under its own accounts there.
 */
export async function startPeopleServices(
  options: { pinnedModel?: string; servers?: TlsServers; receiver?: Record<string, string> } = {},
): Promise<PeopleServices> {
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-people-'));
  const photos = join(folder, 'photos');
  const known = join(folder, 'known');
  const snapshot = join(folder, 'snapshot');
  await Promise.all([mkdir(photos), mkdir(known)]);
  await writePhotos(photos);
  const { servers } = options;
  const database = servers ? null : await createDatabase();
  const stream = servers ? 'IMAGES' : createStreamName();
  const streams = { IMAGES_STREAM: stream, EVENTS_STREAM: `${stream}_EVENTS` };
  const settingsOf = (service: 'receiver' | 'processor' | 'recognizer') => ({
    ...(servers?.settings(service) ?? { MYSQL_URL: database?.url ?? '', NATS_URL: natsUrl(), ...streams }),
    IMAGE_ROOTS: photos,
  });
  const recognizer = await startService('recognizer', {
    ...{
      ...settingsOf('recognizer'),
      KNOWN_PEOPLE: known,
      GALLERY_POLL_MS: '100',
      RECOGNIZER_WORKERS: '1',
      LOG_LEVEL: 'debug',
    },
    GALLERY_SNAPSHOT: snapshot,
  });
  const { pinnedModel } = options;
  const pinned =
    pinnedModel === undefined
      ? null
      : await startService('recognizer', {
          ...{
            ...settingsOf('recognizer'),
            DESCRIPTOR_MODEL: pinnedModel,
            GALLERY_POLL_MS: '100',
            RECOGNIZER_WORKERS: '1',
          },
        });
  const addresses = [recognizer, ...(pinned ? [pinned] : [])].map(
    // A certificate is in the name of a host.
    ({ port }) => `${servers ? 'localhost' : '127.0.0.1'}:${port}`,
  );
  const RECOGNIZER_ADDRESS = pinned ? `ipv4:${addresses.join()}` : addresses.join();
  const receiver = await startService('receiver', {
    ...settingsOf('receiver'),
    ...{ RECOGNIZER_ADDRESS, MAX_IMAGE_BYTES: '3000000', ...options.receiver },
  });
  const startProcessor = () =>
    startService('processor', { ...settingsOf('processor'), RECOGNIZER_ADDRESS, LEADER_LEASE_MS: '1500' });
  let processor = await startProcessor();
  const db = servers?.db ?? openDatabase(database?.url ?? '');
  const url = `http://127.0.0.1:${receiver.port}`;

  const call = (method: string, path: string, body?: unknown) => ask(method, `${url}${path}`, body);

  return {
    ...{
      db,
      databaseUrl: database?.url ?? '',
      url,
      stream,
      photos,
      known,
      snapshot,
      recognizer,
      receiver,
      pinned,
      call,
    },
    processor: () => processor,
    async restartProcessor(signal) {
      processor.kill(signal);
      await processor.exited;
      processor = await startProcessor();
    },
    upload(path, files, fields = {}) {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      for (const [name, bytes] of Object.entries(files)) form.append('photo', new Blob([new Uint8Array(bytes)]), name);
      return call('POST', path, form);
    },
    async process(path) {
      const { body } = await call('POST', '/image/post', { path });
      return waitFor(`${path} to be processed`, async () => {
        const image = await call('GET', `/v1/images/${body.id}`);
        return image.body.status === 'pending' ? null : image.body;
      });
    },
    async finish(answer) {
      const { id } = answer.body.batch;
      const batch = await waitFor('the batch to end', async () => {
        const { body } = await call('GET', `/v1/enrolments/${id}`);
        return body.pending === 0 ? body : null;
      });
      const { body } = await call('GET', `/v1/enrolments/${id}/photos`);
      return {
        batch,
        codes: body.photos.map((photo: { reason: { code: string } | null }) => photo.reason?.code ?? null),
      };
    },
    whileNothingIsDecidedAgain(work) {
      return db.transact(async (connection) => {
        const [jobs] = await connection.query<Row[]>("SELECT 1 FROM jobs WHERE name = 'rematch' FOR UPDATE");
        if (jobs.length === 0) throw new Error('There is no such job.');
        return work();
      });
    },
    async stop() {
      await Promise.all([receiver.stop(), processor.stop()]);
      await Promise.all([recognizer.stop(), pinned?.stop()]);
      if (database !== null) {
        await db.close();
        await database.drop();
      }
      await rm(folder, { recursive: true });
    },
  };
}

async function writePhotos(folder: string): Promise<void> {
  for (const number of [1, 2, 3, 4, 5, 6] as const) {
    await writeFile(join(folder, `sample${number}.jpg`), await sharp(samplePhoto(number)).jpeg().toBuffer());
  }
  for (const [name, { of, box }] of Object.entries(FACES)) {
    const { width, height } = await sharp(samplePhoto(of)).metadata();
    const margin = 0.6;
    const left = Math.max(0, Math.round((box.left - margin * box.width) * width));
    const top = Math.max(0, Math.round((box.top - margin * box.height) * height));
    const cut = {
      left,
      top,
      width: Math.min(width - left, Math.round(box.width * (1 + 2 * margin) * width)),
      height: Math.min(height - top, Math.round(box.height * (1 + 2 * margin) * height)),
    };
    await writeFile(join(folder, name), await sharp(samplePhoto(of)).extract(cut).jpeg({ quality: 95 }).toBuffer());
  }
}
