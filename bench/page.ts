import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CDPSession, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { chooseCacheFolder } from '../cli/cache-folder.ts';
import { findChromium } from '../cli/servers/chromium.ts';
import { type Benchmark, type Figures, plain, withGoal } from './figures.ts';
import { fillDatabase } from './listing-data.ts';
import { startServers } from './listing-servers.ts';

// Scrolling through the page's table of a million photos in a real Chromium, with the real receiver and database. Without a
// graphics card every pixel is drawn by the processor: frames are as slow as they get.

const VIEW = { width: 1280, height: 800 };
/** More rows than a page of a browser is high; the list has been moved under the scroll bar by then. */
const FAR_ROWS = 60_000;
/** Fifty rows a second: faster than anybody reads, slower than the scroll bar is dragged. */
const STEP_PIXELS = 128;
const FRAMES = 600;

export const benchmark: Benchmark = {
  packages: ['playwright-core', 'react', '@tanstack/react-virtual'],
  defaults: { images: 1_000_000, turns: 1 },

  async measure(say, { images }) {
    const found = await findChromium(chooseCacheFolder(process.env, process.cwd(), join(tmpdir(), 'faceflow-cache')));
    if ('skip' in found) throw new Error(found.skip);
    const servers = await startServers({ kind: 'mariadb', say });
    const browser = await chromium.launch(found);
    try {
      say(`filling ${servers.database} with ${images} images`);
      await fillDatabase(servers.mysqlUrl, say, images);
      const context = await browser.newContext({ viewport: VIEW });
      // The rows tell of photos that are not there.
      const body = await sharp({ create: { width: 360, height: 270, channels: 3, background: '#7a9e7e' } })
        .jpeg()
        .toBuffer();
      await context.route('**/photo?*', (route) => route.fulfill({ contentType: 'image/jpeg', body }));
      const page = await context.newPage();
      return await measurePage(page, await servers.startFrontend(await servers.startReceiver()), images, say);
    } finally {
      await browser.close();
      await servers.stop();
    }
  },
};

async function measurePage(page: Page, address: string, images: number, say: (line: string) => void): Promise<Figures> {
  const devtools = await page.context().newCDPSession(page);
  const openedAt = performance.now();
  await page.goto(address);
  await page.locator('tr[data-image]').first().waitFor();
  const opened = performance.now() - openedAt;
  const near = await scroll(page);
  await expectRows(page, images);
  const heapNear = await heapMegabytes(devtools);
  say(`frames near the top: p50 ${quantile(near, 0.5)} ms, p95 ${quantile(near, 0.95)} ms`);
  const startedAt = performance.now();
  const rows = await goFar(page, Math.min(FAR_ROWS, images - 500), say);
  const seconds = (performance.now() - startedAt) / 1000;
  const far = await scroll(page);
  await expectRows(page, images);
  const heapFar = await heapMegabytes(devtools);
  return {
    first_rows_ms: plain(opened, 'ms'),
    frame_p95_ms: withGoal(quantile(near, 0.95), 'ms', 'lower', 50),
    frame_p50_ms: plain(quantile(near, 0.5), 'ms'),
    far_frame_p95_ms: withGoal(quantile(far, 0.95), 'ms', 'lower', 50),
    far_frame_p50_ms: plain(quantile(far, 0.5), 'ms'),
    far_rows: plain(rows, 'rows'),
    rows_per_second_to_get_there: plain(rows / seconds, 'rows/s'),
    heap_mb: plain(heapNear, 'MB'),
    far_heap_mb: withGoal(heapFar, 'MB', 'lower', 100),
    drawn_rows: plain(await page.locator('tr[data-image]').count(), 'rows'),
  };
}

/** Scrolls step by step. @returns how long each frame took, ms */
function scroll(page: Page): Promise<number[]> {
  return page.evaluate(`new Promise((resolve) => {
    const frames = [];
    let last = performance.now();
    const step = (now) => {
      frames.push(now - last);
      last = now;
      if (frames.length > ${FRAMES}) return resolve(frames.slice(1));
      scrollBy(0, ${STEP_PIXELS});
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  })`);
}

/** Goes to the end again and again, until so many rows lie above. @returns how many */
async function goFar(page: Page, rows: number, say: (line: string) => void): Promise<number> {
  let told = 0;
  for (;;) {
    const reached = await page.evaluate<number>(`(() => {
      scrollTo(0, document.documentElement.scrollHeight);
      return Number([...document.querySelectorAll('tr[data-image]')].at(-1)?.getAttribute('aria-rowindex') ?? 0);
    })()`);
    if (reached >= rows) return reached;
    if (reached - told >= 10_000) say(`${reached} rows`);
    if (reached - told >= 10_000) told = reached;
    await page.waitForTimeout(10);
  }
}

/** Ids are without a gap here: a row's place in the list tells which image it must show. */
async function expectRows(page: Page, images: number): Promise<void> {
  await page.locator('tr[data-far]').first().waitFor({ state: 'detached' });
  const shown = await page.evaluate<
    [number, number, number][]
  >(`[...document.querySelectorAll('tr[data-image]')].map((row) =>
    [Number(row.dataset.image), Number(row.getAttribute('aria-rowindex')), row.getBoundingClientRect().top])`);
  const wrong = shown.find(([id, rowIndex]) => id !== images - (rowIndex - 2));
  if (wrong) throw new Error(`Row ${wrong[1]} shows image ${wrong[0]}.`);
  if (!shown.some(([, , top]) => top >= 0 && top < VIEW.height / 2)) throw new Error('There are no rows to be seen.');
}

async function heapMegabytes(devtools: CDPSession): Promise<number> {
  await devtools.send('HeapProfiler.collectGarbage');
  const { usedSize } = await devtools.send('Runtime.getHeapUsage');
  return usedSize / 2 ** 20;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 10) / 10;
}
