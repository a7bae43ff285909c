import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectAccessible, inspectView } from './browser-checks.ts';
import { type BrowserServices, grace, type OpenPage, openPage, screenshots, untilSettled } from './browser-services.ts';
import { findChromium } from './servers.ts';
import { waitFor } from './wait-for.ts';

const installed = await findChromium();

let opened: OpenPage;
let services: BrowserServices;
let page: Page;

describe.skipIf('skip' in installed)('the images in a real browser', () => {
  beforeAll(async () => {
    opened = await openPage('browser', installed);
    ({ services, page } = opened);
    await page.goto(services.address);
  });

  afterAll(() => opened?.close());

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
    await services.post('strangers.jpg', 'broken.jpg', 'wall.png');
    await rows().nth(3).waitFor();
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
      expect(await table.getByRole('columnheader').count()).toBe(7);
      expect(await table.getByRole('rowheader', { name: 'party/mirrored.jpg' }).count()).toBe(1);
      expect(await table.getByRole('img', { name: 'mirrored.jpg: Grace Hopper, 2 unknown' }).count()).toBe(1);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  test('by keyboard: a status is chosen, the address keeps it, back shows all again', async () => {
    const chip = page.getByRole('link', { name: /^Unknown 1$/ });
    await chip.focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => paths().allInnerTexts()).toEqual(['strangers.jpg']);
    expect(new URL(page.url()).search).toBe('?status=unknown');
    expect(await chip.getAttribute('aria-current')).toBe('page');
    await page.getByRole('link', { name: /^Failed/ }).click();
    await page.getByRole('heading', { name: 'Nothing here' }).waitFor();
    await page.goBack();
    await rowOf('strangers.jpg').waitFor();
    await page.goBack();
    await rowOf('mirrored.jpg').waitFor();
    expect(await rows().count()).toBe(4);
  });

  test('words filter the list, and the address keeps them', async () => {
    await page.getByRole('searchbox').fill('grace hop');
    await expect.poll(() => paths().allInnerTexts()).toEqual(['party/mirrored.jpg']);
    await expect.poll(() => new URL(page.url()).search).toBe('?q=grace+hop');
    await page.reload();
    await rowOf('mirrored.jpg').waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe('grace hop');
    await page.getByRole('searchbox').fill('');
    await expect.poll(() => rows().count()).toBe(4);
  });

  test('as a grid, and back as a table', async () => {
    await page.getByRole('link', { name: 'Grid' }).click();
    await page.locator('.tile[data-status=matched] .face-box[data-known=true]').waitFor();
    expect(await page.locator('.tile').count()).toBe(4);
    await inspectView(page, 'grid');
    await page.getByRole('link', { name: 'Table' }).click();
    await rowOf('mirrored.jpg').waitFor();
  });

  test('rows are chosen by keyboard and mouse, all between two with the shift key', async () => {
    await page.getByRole('checkbox', { name: 'Select wall.png' }).focus();
    await page.keyboard.press('Space');
    const region = page.getByRole('region', { name: 'Selected photos' });
    await region.getByText('1 selected').waitFor();
    await page.getByRole('checkbox', { name: 'Select strangers.jpg' }).click({ modifiers: ['Shift'] });
    await region.getByText('3 selected').waitFor();
    await region.getByRole('button', { name: 'Clear' }).click();
    await region.waitFor({ state: 'detached' });
  });

  test('nothing overflows from phone to wide screen, light and dark, and axe has nothing to say', async () => {
    await inspectView(page, 'table');
  });

  test('in Chinese, and in English again', async () => {
    await page.getByRole('button', { name: '简体中文' }).click();
    await page.getByRole('table', { name: '照片，最新的在前' }).waitFor();
    expect(await rowOf('wall.png').locator('.badge').innerText()).toBe('无人脸');
    expect(await page.evaluate('document.documentElement.lang')).toBe('zh-Hans');
    await page.reload();
    await page.getByRole('link', { name: '人物' }).waitFor();
    await expectAccessible(page, 'the Chinese page');
    await page.getByRole('button', { name: 'English' }).click();
    await page.getByRole('table', { name: 'Photos, newest first' }).waitFor();
  });

  test('chosen photos are looked at again and deleted', async () => {
    await page.getByRole('checkbox', { name: 'Select broken.jpg' }).check();
    const region = page.getByRole('region', { name: 'Selected photos' });
    await region.getByRole('button', { name: 'Look again' }).click();
    await page.getByText('1 photo is looked at again.').waitFor();
    await waitForStatus('broken.jpg', 'Unreadable');
    await page.getByRole('checkbox', { name: 'Select broken.jpg' }).check();
    await region.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await rowOf('broken.jpg').waitFor({ state: 'detached' });
    expect(await rows().count()).toBe(3);
    await services.post('broken.jpg');
    await waitForStatus('broken.jpg', 'Unreadable');
  });

  test('the browser had nothing to complain about', () => {
    expect(opened.complaints).toEqual([]);
  });

  test('while every processor waits for the recognizer the page says since when, and when it is tried again', async () => {
    // At one moment: the processor's next report takes both away.
    const shown = "['.banner', '.activity'].map((it) => document.querySelector(it)?.innerText)";
    const open = async () => {
      // As the processor's own report, which it gives again within ten seconds.
      await services.db.query(
        `UPDATE replicas SET details = '{"breaker":{"state":"open","unavailableForMs":0,"nextAttemptInMs":40000}}',
           seen_at = NOW(3) WHERE service = 'processor'`,
      );
      // Whoever comes back to the tab sees how things stand.
      await page.evaluate("window.dispatchEvent(new Event('visibilitychange'))");
      const [banner, activity] = (await page.evaluate(shown)) as (string | undefined)[];
      return banner !== undefined && { banner, activity };
    };
    const { banner, activity } = await waitFor('the banner', open, 120_000);
    expect(banner).toMatch(/^Paused: the recognizer is unavailable since \d\d:\d\d\. Next try in \d+ s\./);
    expect(activity).toBe('Paused');
    await page.screenshot({ path: join(screenshots, 'paused.png') });
    await page.locator('.banner').waitFor({ state: 'detached' });
    await expect.poll(() => page.locator('.activity').innerText()).toBe('Up to date');
  });

  test('while the receiver is away the page keeps what it has, and recovers by itself', async () => {
    const before = await rows().count();
    await services.stopReceiver();
    await page.getByText('The receiver does not answer.').waitFor();
    await expectAccessible(page, 'a page without its receiver');
    expect(await rows().count()).toBe(before);
    await services.startReceiver();
    await page.getByText('The receiver does not answer.').waitFor({ state: 'detached' });
    await services.post('again.jpg');
    await waitForStatus('again.jpg', 'Matched');
  });

  test('thousands of rows: a handful is drawn, the rest comes as it is scrolled to', async () => {
    const count = 3_000;
    const made = Array.from({ length: count }, (_, n) => [`album/${n}.jpg`, 'no_face', new Date()]);
    await services.db.query('INSERT INTO images (path, status, finished_at) VALUES ?', [made]);
    await page.goto(`${services.address}/?status=no_face`);
    await rowOf(`album/${count - 1}.jpg`).waitFor();
    await waitFor(
      'the oldest row',
      async () => {
        await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
        expect(await rows().count()).toBeLessThan(60);
        return (await rowOf('wall.png').count()) === 1;
      },
      60_000,
    );
    expect(await rowOf('wall.png').getAttribute('aria-rowindex')).toBe(String(count + 2));
  });

  test('what comes in while one reads waits, and nothing jumps', async () => {
    await page.evaluate('scrollTo(0, 20000)');
    const middle = () => page.evaluate('document.elementFromPoint(640, 400)?.closest("tr")?.dataset.image');
    const before = await untilSettled('a row in the middle', middle);
    await services.db.query("INSERT INTO images (path, status, finished_at) VALUES ('new.jpg', 'no_face', now(3))");
    // Any event has the list look.
    await services.post('strangers-grey.jpg');
    const button = page.getByRole('button', { name: '1 newer' });
    await button.waitFor();
    expect(await middle()).toBe(before);
    await button.click();
    await rowOf('new.jpg').waitFor();
    await button.waitFor({ state: 'detached' });
  });
});

function rows(): Locator {
  return page.locator('tbody tr[data-image]');
}

function paths(): Locator {
  return page.locator('tbody .path-cell');
}

function rowOf(file: string): Locator {
  return rows().filter({ has: page.getByRole('rowheader', { name: file }) });
}

async function waitForStatus(file: string, status: string): Promise<void> {
  await rowOf(file).locator('.badge', { hasText: status }).waitFor();
}

async function boxOf(locator: Locator) {
  const box = await locator.boundingBox();
  if (!box) throw new Error('not displayed');
  return box;
}
