import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../lib/database.ts';
import {
  createDatabase,
  createStreamName,
  findChromium,
  natsUrl,
  type RunningService,
  startService,
  type TestDatabase,
} from './servers.ts';

const installed = await findChromium();
const demoPhotos = fileURLToPath(new URL('../node_modules/@vladmandic/face-api/demo/', import.meta.url));
const screenshots = fileURLToPath(new URL('../test-output/browser/', import.meta.url));

/** The woman in the middle of sample3.jpg: pixels around her face, and its centre as ratios. */
const grace = { crop: { left: 946, top: 76, width: 520, height: 560 }, centre: { x: 0.628, y: 0.25 } };

let folder: string;
let database: TestDatabase;
let receiverEnv: Record<string, string>;
let receiver: RunningService;
let others: RunningService[];
let browser: Browser;
let context: BrowserContext;
let page: Page;
let address: string;
/** What a browser's console says, and requests that failed. */
const complaints: string[] = [];

describe.skipIf('skip' in installed)('the page in a real browser', () => {
  beforeAll(async () => {
    if ('skip' in installed) throw new Error(installed.skip);
    folder = await mkdtemp(join(tmpdir(), 'faceflow-browser-'));
    await preparePhotos();
    await startEverything();
    browser = await chromium.launch(installed);
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    context.on('page', watch);
    page = await context.newPage();
    await page.goto(address);
  });

  afterAll(async () => {
    await browser?.close();
    await Promise.all([receiver, ...(others ?? [])].map((service) => service?.stop()));
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  test('an empty table says what to do, and doing it fills the table', async () => {
    await page.getByRole('heading', { name: 'No photos yet' }).waitFor();
    const command = await page.locator('code').innerText();
    const [, body, url] = /^curl -d '(.+)' (http:\S+)$/.exec(command) ?? [];
    const answer = await fetch(url ?? '', {
      method: 'POST',
      body: body?.replace('photo.jpg', 'party/mirrored.jpg') ?? '',
    });
    expect(answer.status).toBe(202);
    await rowOf('mirrored.jpg').waitFor();
  });

  test('rows appear and get their results while one looks on', async () => {
    // Lives only as long as the page is not loaded again.
    await page.evaluate('window.looksOn = true');
    const paths = ['strangers.jpg', 'broken.jpg', 'wall.png'].map((path) => ({ path }));
    const body = JSON.stringify({ paths });
    const answer = await fetch(`http://127.0.0.1:${receiver.port}/images/post`, { method: 'POST', body });
    expect(answer.status).toBe(202);
    await page.locator('tbody tr').nth(3).waitFor();
    await waitForStatus('mirrored.jpg', 'Matched');
    await waitForStatus('strangers.jpg', 'Unknown');
    await waitForStatus('broken.jpg', 'Unreadable');
    await waitForStatus('wall.png', 'No face');
    const files = await page.locator('tbody .path-cell').allInnerTexts();
    expect(files).toEqual(['wall.png', 'broken.jpg', 'strangers.jpg', 'party/mirrored.jpg']);
    expect(await page.evaluate('window.looksOn')).toBe(true);
  });

  test('the right name is on the right face', async () => {
    const row = rowOf('mirrored.jpg');
    expect(await row.locator('.person-cell strong').innerText()).toBe('Grace Hopper');
    expect(await row.locator('.person-cell small').innerText()).toBe('and 2 unknown faces');
    const photo = await boxOf(row.locator('img'));
    const box = await boxOf(row.locator('.face-box[data-known=true]'));
    const face = { x: photo.x + (1 - grace.centre.x) * photo.width, y: photo.y + grace.centre.y * photo.height };
    expect(face.x).toBeGreaterThan(box.x);
    expect(face.x).toBeLessThan(box.x + box.width);
    expect(face.y).toBeGreaterThan(box.y);
    expect(face.y).toBeLessThan(box.y + box.height);
    expect(box.width).toBeLessThan(photo.width / 4);
    const label = await boxOf(row.locator('.face-label[data-known=true] > span'));
    expect(label.y).toBeGreaterThanOrEqual(box.y + box.height);
    expect(label.x).toBeLessThan(box.x + box.width);
    expect(label.x + label.width).toBeGreaterThan(box.x);
    expect(await row.locator('.face-box[data-known=false]').count()).toBe(2);
    expect(Number.parseInt(await row.locator('.similarity').innerText(), 10)).toBeGreaterThanOrEqual(50);
    expect(await row.locator('time').getAttribute('title')).toMatch(/^Added .+, done after [\d.]+ (s|min)$/);
  });

  test('strangers have boxes and no name', async () => {
    const row = rowOf('strangers.jpg');
    expect(await row.locator('.face-box').count()).toBe(4);
    expect(await row.locator('.face-box[data-known=true]').count()).toBe(0);
    expect(await row.locator('.person-cell').innerText()).toBe('Unknown\n4 faces');
  });

  test('a file that cannot be read says why, and no photo of it is asked for', async () => {
    const row = rowOf('broken.jpg');
    expect((await row.locator('.person-cell small').innerText()).length).toBeGreaterThan(10);
    expect(await row.locator('img').count()).toBe(0);
    expect(await row.locator('.photo-placeholder').count()).toBe(1);
  });

  test('the table is one to a screen reader too, also as cards', async () => {
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 });
      const table = page.getByRole('table', { name: 'Photos, newest first' });
      expect(await table.getByRole('row').count()).toBe(5);
      expect(await table.getByRole('columnheader').count()).toBe(6);
      expect(await table.getByRole('rowheader', { name: 'party/mirrored.jpg' }).count()).toBe(1);
      expect(await table.getByRole('img', { name: 'mirrored.jpg: Grace Hopper, 2 unknown' }).count()).toBe(1);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  test('by keyboard: a status is chosen, the address keeps it, back shows all again', async () => {
    const chip = page.getByRole('link', { name: /^Unknown/ });
    expect(await chip.innerText()).toMatch(/Unknown\s+1$/);
    await chip.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('tbody .path-cell').allInnerTexts()).toEqual(['strangers.jpg']);
    expect(new URL(page.url()).search).toBe('?status=unknown');
    expect(await chip.getAttribute('aria-current')).toBe('page');
    await page.getByRole('link', { name: /^Failed/ }).click();
    await page.getByRole('heading', { name: 'Nothing here' }).waitFor();
    await page.goBack();
    await rowOf('strangers.jpg').waitFor();
    await page.goBack();
    await rowOf('mirrored.jpg').waitFor();
    expect(await page.locator('tbody tr').count()).toBe(4);
  });

  test('a photo opens at full size in a tab of its own', async () => {
    const link = rowOf('mirrored.jpg').getByRole('link');
    const [tab] = await Promise.all([context.waitForEvent('page'), link.click()]);
    await tab.waitForLoadState();
    expect(await tab.evaluate('document.images[0].naturalWidth')).toBe(1920);
    await tab.close();
  });

  test('nothing overflows from phone to wide screen, light and dark', async () => {
    await mkdir(screenshots, { recursive: true });
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [390, 1280, 1920]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: width < 500 ? 844 : Math.round(width * 0.5625) });
        await page.screenshot({ path: join(screenshots, `table-${width}-${colorScheme}.png`) });
        expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
      }
    }
  });

  test('the browser had nothing to complain about', () => {
    expect(complaints).toEqual([]);
  });

  test('while every processor waits for the recognizer the page says since when, and when it is tried again', async () => {
    const db = openDatabase(database.url);
    // As the processor's own report, which it gives again within ten seconds.
    const open = () =>
      db.query(
        `UPDATE processors SET breaker = 'open', unavailable_since = NOW(3), next_attempt_at = NOW(3) + INTERVAL 40 SECOND`,
      );
    const banner = page.getByText('Paused: the recognizer is unavailable since');
    await expect.poll(async () => (await open()) && banner.isVisible()).toBe(true);
    expect(await page.locator('.banner').innerText()).toMatch(/since \d\d:\d\d\. Next try in \d+ s\./);
    expect(await page.locator('.activity').innerText()).toBe('Paused');
    await page.screenshot({ path: join(screenshots, 'paused.png') });
    await banner.waitFor({ state: 'detached' });
    await expect.poll(() => page.locator('.activity').innerText()).toBe('Up to date');
    await db.close();
  });

  test('while the receiver is away the page keeps what it has, and recovers by itself', async () => {
    const { port } = receiver;
    await receiver.stop();
    await page.getByText('The receiver does not answer.').waitFor();
    expect(await page.locator('tbody tr').count()).toBe(4);
    receiver = await startService('receiver', { ...receiverEnv, RECEIVER_PORT: String(port) });
    await page.getByText('The receiver does not answer.').waitFor({ state: 'detached' });
    const body = JSON.stringify({ path: 'again.jpg' });
    await fetch(`http://127.0.0.1:${port}/image/post`, { method: 'POST', body });
    await waitForStatus('again.jpg', 'Matched');
  });
});

async function preparePhotos(): Promise<void> {
  const photos = join(folder, 'photos');
  await mkdir(join(folder, 'known'), { recursive: true });
  await mkdir(join(photos, 'party'), { recursive: true });
  const party = () => sharp(join(demoPhotos, 'sample3.jpg'));
  await party()
    .extract(grace.crop)
    .toFile(join(folder, 'known', 'grace-hopper.jpg'));
  await party()
    .flop()
    .toFile(join(photos, 'party', 'mirrored.jpg'));
  await party().resize({ width: 1000 }).toFile(join(photos, 'again.jpg'));
  await sharp(join(demoPhotos, 'sample6.jpg')).toFile(join(photos, 'strangers.jpg'));
  await writeFile(join(photos, 'broken.jpg'), 'this is no picture');
  const wall = { width: 600, height: 400, channels: 3, background: '#7a9e7e' } as const;
  await sharp({ create: wall }).png().toFile(join(photos, 'wall.png'));
}

async function startEverything(): Promise<void> {
  database = await createDatabase();
  const roots = { IMAGE_ROOTS: join(folder, 'photos') };
  const shared = { MYSQL_URL: database.url, NATS_URL: natsUrl(), IMAGES_STREAM: createStreamName() };
  receiverEnv = { ...shared, ...roots };
  const recognizer = await startService('recognizer', {
    ...roots,
    MYSQL_URL: database.url,
    KNOWN_PEOPLE: join(folder, 'known'),
    RECOGNIZER_WORKERS: '1',
  });
  receiver = await startService('receiver', receiverEnv);
  const processor = await startService('processor', { ...shared, RECOGNIZER_ADDRESS: `127.0.0.1:${recognizer.port}` });
  const frontend = await startService('frontend', { RECEIVER_URL: `http://127.0.0.1:${receiver.port}` });
  others = [frontend, processor, recognizer];
  address = `http://127.0.0.1:${frontend.port}/`;
}

function watch(tab: Page): void {
  tab.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  tab.on('pageerror', (error) => complaints.push(error.message));
  tab.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText;
    // The page itself breaks off a poll whose answer nobody waits for any more, as when another filter is chosen.
    if (reason !== 'net::ERR_ABORTED') complaints.push(`${request.url()} ${reason}`);
  });
  tab.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.url()} ${response.status()}`);
  });
}

function rowOf(file: string): Locator {
  return page.locator('tbody tr').filter({ has: page.getByRole('rowheader', { name: file }) });
}

async function waitForStatus(file: string, status: string): Promise<void> {
  await rowOf(file).locator('.badge', { hasText: status }).waitFor({ timeout: 90_000 });
}

async function boxOf(locator: Locator) {
  const box = await locator.boundingBox();
  if (!box) throw new Error('not displayed');
  return box;
}
