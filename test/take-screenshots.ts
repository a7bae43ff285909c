import { mkdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page, type Route } from 'playwright-core';
import sharp from 'sharp';
import { spawnGuarded } from '../cli/guarded-process.ts';
import { findChromium } from './find-chromium.ts';
import { pixelateBoxes } from './pixelate-boxes.ts';
import { waitFor } from './wait-for.ts';

// `npm run screenshots`: docs/images/*.webp, of the demo. The people in the sample photos have not asked to be in a README:
// every photo and every face is pixelated before the page gets it, by the boxes that the API tells.

const PROJECT = join(import.meta.dirname, '..');
const FOLDER = join(PROJECT, 'docs', 'images');
const MAX_BYTES = 300_000;
const WIDTH = 1280;

interface View {
  readonly name: string;
  readonly path: string;
  /** Pixels from the top that are shown. */
  readonly height: number;
  readonly colorScheme: 'light' | 'dark';
}

interface SeenImage {
  readonly id: number;
  readonly path: string;
  readonly faces: readonly { readonly box: Parameters<typeof pixelateBoxes>[1][number] | null }[];
}

async function takeScreenshots(): Promise<void> {
  const found = await findChromium();
  if ('skip' in found) throw new Error(`There is no browser: ${found.skip}.`);
  const demo = await startDemo();
  const browser = await chromium.launch(found);
  try {
    const { images } = await ask<{ images: SeenImage[] }>(`${demo.page}/v1/images?limit=200`);
    await takeAll(browser, demo.page, images);
  } finally {
    await browser.close();
    await demo.stop();
  }
}

async function startDemo() {
  const { PATH = '', HOME = '' } = process.env;
  const ports = { RECEIVER_PORT: '0', FRONTEND_PORT: '0', RECOGNIZER_PORT: '0' };
  const child = await spawnGuarded(process.execPath, [join(PROJECT, 'dist/cli/main.js'), 'demo'], {
    ...{ cwd: tmpdir(), env: { PATH, HOME, ...ports }, killAfterMs: 10_000 },
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (some) => {
      printed += some;
      process.stdout.write(some);
    });
  }
  const stop = () => child.stop('SIGTERM', 30_000);
  try {
    const page = await waitFor(
      'the demo',
      () => /The same as a page: (\S+)/.exec(printed)?.[1]?.replace(/\/$/, ''),
      300_000,
    );
    return { page, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function takeAll(browser: Browser, address: string, images: readonly SeenImage[]): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  const explained = images.find(({ path }) => path === 'sample6.jpg');
  const { people } = await ask<{ people: { id: number; name: string }[] }>(`${address}/v1/people`);
  const person = people.find(({ name }) => name === 'Enid Frost');
  const views: View[] = [
    { name: 'images', path: '/?status=matched', height: 800, colorScheme: 'light' },
    { name: 'image', path: `/images/${explained?.id}`, height: 800, colorScheme: 'light' },
    { name: 'person', path: `/people/${person?.id}`, height: 800, colorScheme: 'dark' },
    { name: 'unknown', path: '/unknown', height: 360, colorScheme: 'light' },
  ];
  await waitFor(
    'clusters of strangers',
    async () => {
      const { clusters } = await ask<{ clusters: unknown[] }>(`${address}/v1/clusters`);
      return clusters.length > 0;
    },
    60_000,
  );
  let bytes = 0;
  for (const { name, path, height, colorScheme } of views) {
    const viewport = { width: WIDTH, height: 800 };
    const context = await browser.newContext({ viewport, colorScheme, locale: 'en-GB', timezoneId: 'UTC' });
    const page = await context.newPage();
    // Every picture, whatever the route is called.
    await page.route(/\/v1\/.+\/(photo|crop)\b/, (route) => answerPixelated(route, images));
    await page.goto(`${address}${path}`);
    await untilShown(page);
    const file = join(FOLDER, `${name}.webp`);
    await writeFile(
      file,
      await sharp(await page.screenshot({ clip: { x: 0, y: 0, width: WIDTH, height } }))
        .webp({ quality: 80 })
        .toBuffer(),
    );
    bytes += (await stat(file)).size;
    await context.close();
  }
  process.stdout.write(`${views.length} screenshots, ${Math.round(bytes / 1000)} kB, in ${FOLDER}\n`);
  if (bytes > MAX_BYTES) throw new Error(`They are larger than ${MAX_BYTES / 1000} kB.`);
}

/** A photo with its faces, and any other picture as a whole, so that nobody can be told. */
async function answerPixelated(route: Route, images: readonly SeenImage[]): Promise<void> {
  const response = await route.fetch();
  const [, id] = /\/images\/(\d+)\/photo/.exec(route.request().url()) ?? [];
  const whole = { left: 0, top: 0, width: 1, height: 1 };
  const faces = images.find((image) => String(image.id) === id)?.faces;
  // Of a photo that is not known nothing is shown.
  const boxes = faces === undefined ? [whole] : faces.flatMap(({ box }) => box ?? []);
  if (!response.ok()) return route.fulfill({ response });
  const body = await pixelateBoxes(await response.body(), boxes);
  await route.fulfill({ body, contentType: 'image/png' });
}

/** Nothing loads any more, and every picture in sight is there. */
async function untilShown(page: Page): Promise<void> {
  await page.getByRole('main').waitFor();
  await waitFor('the pictures', async () => {
    const pictures = await page.evaluate(
      '[...document.images].map((it) => ({ shown: it.complete && it.naturalWidth > 0, lazy: it.loading === "lazy" }))',
    );
    const all = pictures as { shown: boolean; lazy: boolean }[];
    return all.some(({ shown }) => shown) && all.every(({ shown, lazy }) => shown || lazy);
  });
  await page.evaluate('document.fonts.ready.then(() => new Promise((resolve) => setTimeout(resolve, 1000)))');
}

async function ask<Answer>(url: string): Promise<Answer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return (await response.json()) as Answer;
}

await takeScreenshots();
