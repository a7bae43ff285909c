import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import { type Database, openDatabase } from '../lib/database.ts';
import { samplePhoto } from './sample-photos.ts';
import {
  createDatabase,
  createStreamName,
  type findChromium,
  natsUrl,
  type RunningService,
  startService,
} from './servers.ts';
import { waitFor } from './wait-for.ts';

/** Where tests leave what they have seen; outside of git. */
export const screenshots = fileURLToPath(new URL('../test-output/browser/', import.meta.url));

/** The woman in the middle of sample3.jpg: pixels around her face, and its centre as ratios. */
export const grace = { crop: { left: 946, top: 76, width: 520, height: 560 }, centre: { x: 0.628, y: 0.25 } };

/** For whatever is to be seen, whatever else the machine does, ms. */
export const PATIENCE_MS = 90_000;

/** A real browser with one tab, which has not gone anywhere yet. */
export interface OpenTab {
  readonly browser: Browser;
  readonly context: BrowserContext;
  readonly page: Page;
  /** What the console has said, and requests that failed; of other tabs of the context, too. */
  readonly complaints: readonly string[];
}

/** The same, and the whole system for it to look at. */
export interface OpenPage extends OpenTab {
  readonly folder: string;
  readonly services: BrowserServices;
  close(): Promise<void>;
}

/** @param installed as findChromium has it: whoever calls this has skipped where there is none */
export async function openTab(installed: Awaited<ReturnType<typeof findChromium>>): Promise<OpenTab> {
  if ('skip' in installed) throw new Error(installed.skip);
  const browser = await chromium.launch(installed);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const complaints = collectComplaints(context);
  return { browser, context, complaints, page: await context.newPage() };
}

/** With a folder of its own, of that name. */
export async function openPage(name: string, installed: Awaited<ReturnType<typeof findChromium>>): Promise<OpenPage> {
  const folder = await mkdtemp(join(tmpdir(), `faceflow-${name}-`));
  const services = await startBrowserServices(folder);
  const tab = await openTab(installed);
  return {
    ...{ ...tab, folder, services },
    async close() {
      await tab.browser.close();
      await services.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The whole system, for a browser to look at. */
export interface BrowserServices {
  /** Of the page. */
  readonly address: string;
  /** Of the API. */
  readonly api: string;
  readonly db: Database;
  /** Stops the receiver, and starts it again where it was. */
  stopReceiver(): Promise<void>;
  startReceiver(): Promise<void>;
  post(...paths: string[]): Promise<void>;
  stop(): Promise<void>;
}

/** With Grace Hopper in KNOWN_PEOPLE, and photos of her and of strangers in IMAGE_ROOTS. */
async function startBrowserServices(folder: string): Promise<BrowserServices> {
  const photos = join(folder, 'photos');
  await preparePhotos(folder, photos);
  const database = await createDatabase();
  const db = openDatabase(database.url);
  const roots = { IMAGE_ROOTS: photos };
  const streams = { IMAGES_STREAM: createStreamName(), EVENTS_STREAM: createStreamName() };
  const shared = { MYSQL_URL: database.url, NATS_URL: natsUrl(), ...streams };
  const recognizer = await startService('recognizer', {
    ...roots,
    MYSQL_URL: database.url,
    KNOWN_PEOPLE: join(folder, 'known'),
    RECOGNIZER_WORKERS: '1',
    GALLERY_POLL_MS: '100',
  });
  const recognizerAddress = { RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}` };
  const receiverEnv = { ...shared, ...roots, ...recognizerAddress, KNOWN_PEOPLE: join(folder, 'known') };
  let receiver = await startService('receiver', receiverEnv);
  const api = `http://127.0.0.1:${receiver.port}`;
  const others: RunningService[] = [
    await startService('frontend', { RECEIVER_URL: api }),
    await startService('processor', { ...shared, ...recognizerAddress }),
    recognizer,
  ];
  return {
    address: `http://127.0.0.1:${others[0]?.port}`,
    api,
    db,
    stopReceiver: async () => void (await receiver.stop()),
    async startReceiver() {
      receiver = await startService('receiver', { ...receiverEnv, RECEIVER_PORT: String(receiver.port) });
    },
    async post(...paths) {
      const body = JSON.stringify({ paths: paths.map((path) => ({ path })) });
      const answer = await fetch(`${api}/images/post`, { method: 'POST', body });
      expect(answer.status).toBe(202);
    },
    async stop() {
      await Promise.all([receiver, ...others].map((service) => service.stop()));
      await db.close();
      await database.drop();
    },
  };
}

async function preparePhotos(folder: string, photos: string): Promise<void> {
  await mkdir(join(folder, 'known'), { recursive: true });
  await mkdir(join(photos, 'party'), { recursive: true });
  const party = () => sharp(samplePhoto(3));
  await party()
    .extract(grace.crop)
    .toFile(join(folder, 'known', 'grace-hopper.jpg'));
  await party()
    .flop()
    .toFile(join(photos, 'party', 'mirrored.jpg'));
  await party().resize({ width: 1000 }).toFile(join(photos, 'again.jpg'));
  await sharp(samplePhoto(6)).toFile(join(photos, 'strangers.jpg'));
  await sharp(samplePhoto(6)).flop().toFile(join(photos, 'strangers-mirrored.jpg'));
  await sharp(samplePhoto(6)).grayscale().toFile(join(photos, 'strangers-grey.jpg'));
  await writeFile(join(photos, 'broken.jpg'), 'this is no picture');
  const wall = { width: 600, height: 400, channels: 3, background: '#7a9e7e' } as const;
  await sharp({ create: wall }).png().toFile(join(photos, 'wall.png'));
}

/** Waits until `look` says the same for half a second: what has been scrolled to may still be on its way. */
export function untilSettled<Seen>(what: string, look: () => Promise<Seen>): Promise<NonNullable<Seen>> {
  return waitFor(what, async () => {
    const seen = await look();
    for (let turn = 0; turn < 5; turn++) {
      await sleep(100);
      if ((await look()) !== seen) return null;
    }
    return seen;
  }) as Promise<NonNullable<Seen>>;
}

/** Collects what a browser's console says, and requests that failed. */
function collectComplaints(context: BrowserContext): string[] {
  const complaints: string[] = [];
  context.on('page', (tab: Page) => {
    tab.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    tab.on('pageerror', (error) => complaints.push(error.message));
    tab.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText;
      // The page itself breaks off what nobody waits for any more, as when another view is chosen.
      if (reason !== 'net::ERR_ABORTED') complaints.push(`${request.url()} ${reason}`);
    });
    tab.on('response', (response) => {
      if (response.status() >= 400) complaints.push(`${response.url()} ${response.status()}`);
    });
  });
  return complaints;
}
