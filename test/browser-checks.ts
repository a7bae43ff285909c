import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { expect } from 'vitest';
import { PATIENCE_MS, screenshots } from './browser-services.ts';

const axeFile = createRequire(import.meta.url).resolve('axe-core');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

type Theme = 'light' | 'dark';
const sizes = { phone: [390, 844], desk: [1280, 720], wide: [1920, 1080] } as const;
/** Layout is the same in both themes: each size in one of them, unless somebody wants to see all (SCREENSHOTS=all). */
const usual: readonly (readonly [keyof typeof sizes, Theme])[] = [
  ['wide', 'light'],
  ['phone', 'dark'],
  ['desk', 'light'],
];
const all = (['light', 'dark'] as const).flatMap((theme) =>
  (['wide', 'phone', 'desk'] as const).map((size) => [size, theme] as const),
);

/** No violation of WCAG 2.2 AA that axe-core can find in what is shown now. */
export async function expectAccessible(page: Page, view: string): Promise<void> {
  await expectNoViolation(page, view, { type: 'tag', values: rules });
}

/** Pictures of a view on a phone, a desk and a wide screen; nothing overflows, and axe has nothing to say in both themes. */
export async function inspectView(page: Page, view: string): Promise<void> {
  await mkdir(screenshots, { recursive: true });
  const before = page.viewportSize() ?? { width: 1280, height: 800 };
  for (const [size, colorScheme] of process.env.SCREENSHOTS === 'all' ? all : usual) {
    const [width, height] = sizes[size];
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height });
    // Two frames: the layout follows the width in the next one.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    await page.screenshot({ path: join(screenshots, `${view}-${width}-${colorScheme}.png`) });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(overflow, `${view} at ${width}`).toBeLessThanOrEqual(0);
  }
  await page.setViewportSize(before);
  await page.emulateMedia({ colorScheme: 'dark' });
  await expectNoViolation(page, `${view}, dark`, { type: 'rule', values: ['color-contrast'] });
  await page.emulateMedia({ colorScheme: 'light' });
  await expectAccessible(page, `${view}, light`);
}

/** What a view may cost whoever opens it for the first time, on a machine that has other things to do. */
const budget = {
  /** Compressed, in bytes. */
  script: 200_000,
  requests: 45,
  /** Until the largest thing is painted, ms. */
  largestPaint: 5_000,
  /** That its thread computes, scripts and layout, ms: of its own time, whatever else the machine has to do. */
  computing: 1_500,
  /** Of the layout, as Lighthouse scores it: above 0.1 is poor. */
  shift: 0.1,
} as const;

/** A view in a new tab, with nothing kept, is within its budget; like Lighthouse, from the browser's own entries. */
export async function expectWithinBudget(
  browser: Browser,
  url: string,
  untilShown: (page: Page) => Promise<unknown>,
): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  await page.goto(url);
  await untilShown(page);
  // What moves when answers come, moves by now.
  await page.waitForTimeout(500);
  const { metrics } = await session.send('Performance.getMetrics');
  const seconds = metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
  const measured = (await page.evaluate(measure)) as Omit<Record<keyof typeof budget, number>, 'computing'>;
  const spent = { ...measured, computing: seconds * 1000 };
  await context.close();
  expect(spent.script, `${url}: bytes of script`).toBeGreaterThan(50_000);
  expect(spent.largestPaint, `${url}: nothing was painted`).toBeGreaterThan(0);
  for (const [name, most] of Object.entries(budget)) {
    expect(spent[name as keyof typeof budget], `${url}: ${name}`).toBeLessThan(most);
  }
}

/** Runs in the browser. */
const measure = `(async () => {
  const read = (type) => new Promise((resolve) => {
    const entries = [];
    const observer = new PerformanceObserver((list) => entries.push(...list.getEntries()));
    observer.observe({ type, buffered: true });
    setTimeout(() => { observer.disconnect(); resolve(entries); }, 100);
  });
  const [paints, shifts] = await Promise.all(['largest-contentful-paint', 'layout-shift'].map(read));
  const resources = performance.getEntriesByType('resource');
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  return {
    script: sum(resources.filter(({ name }) => name.endsWith('.js')).map((it) => it.encodedBodySize)),
    requests: resources.length + 1,
    largestPaint: Math.max(0, ...paints.map((it) => it.startTime)),
    shift: sum(shifts.filter((it) => !it.hadRecentInput).map((it) => it.value)),
  };
})()`;

async function expectNoViolation(page: Page, view: string, runOnly: { type: string; values: string[] }): Promise<void> {
  // As a debugger does: the page's own policy allows no script but its own.
  await page.evaluate(await readFile(axeFile, 'utf8'));
  const found = (await page.evaluate(
    `axe.run(document, { runOnly: ${JSON.stringify(runOnly)} }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 160)).join(' | ')))`,
  )) as string[];
  expect(found, `axe on ${view}`).toEqual([]);
}
