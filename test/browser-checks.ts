import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { screenshots } from './browser-services.ts';

const axeFile = createRequire(import.meta.url).resolve('axe-core');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const widths = [390, 1280, 1920];

/** No violation of WCAG 2.2 AA that axe-core can find in what is shown now. */
export async function expectAccessible(page: Page, view: string): Promise<void> {
  // As a debugger does: the page's own policy allows no script but its own.
  await page.evaluate(await readFile(axeFile, 'utf8'));
  const found = (await page.evaluate(
    `axe.run(document, { runOnly: ${JSON.stringify(rules)} }).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 160)).join(' | ')))`,
  )) as string[];
  expect(found, `axe on ${view}`).toEqual([]);
}

/** Pictures of a view at every width and in both themes; nothing overflows, and axe has nothing to say. */
export async function inspectView(page: Page, view: string): Promise<void> {
  await mkdir(screenshots, { recursive: true });
  const before = page.viewportSize() ?? { width: 1280, height: 800 };
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of widths) {
      await page.setViewportSize({ width, height: width < 500 ? 844 : Math.round(width * 0.5625) });
      // Two frames: the layout follows the width in the next one.
      await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
      await page.screenshot({ path: join(screenshots, `${view}-${width}-${colorScheme}.png`) });
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(overflow, `${view} at ${width}`).toBeLessThanOrEqual(0);
    }
    await page.setViewportSize(before);
    await expectAccessible(page, `${view}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}
