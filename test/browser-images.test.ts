import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inspectView } from './browser-checks.ts';
import { type BrowserServices, type OpenPage, openPage, untilSettled } from './browser-services.ts';
import { findChromium } from './servers.ts';
import { waitFor } from './wait-for.ts';

const installed = await findChromium();
/** Results on a machine that has other things to do. */
const patience = 120_000;
/** More than a page holds on to. */
const MANY = 2_600;

let opened: OpenPage;
let services: BrowserServices;
let page: Page;

describe.skipIf('skip' in installed)('long lists, filters and many photos at once, in a real browser', () => {
  beforeAll(async () => {
    opened = await openPage('images', installed);
    ({ services, page } = opened);
    await services.post('party/mirrored.jpg', 'strangers.jpg', 'wall.png');
    await page.goto(services.address);
    await waitFor(
      'three results',
      async () => (await statuses()).filter((it) => it !== 'pending').length === 3,
      patience,
    );
    await postOneStranger();
  });

  afterAll(() => opened?.close());

  test('many chosen photos: the one unknown face in each gets a name, and what is skipped stays chosen', async () => {
    for (const name of ['one.jpg', 'two.jpg', 'strangers.jpg', 'wall.png']) {
      await page.getByRole('checkbox', { name: `Select ${name}` }).check();
    }
    const region = page.getByRole('region', { name: 'Selected photos' });
    await region.getByRole('button', { name: 'Name…' }).press('Enter');
    await region.getByRole('combobox', { name: 'Name' }).waitFor();
    await page.keyboard.type('Ada Winter');
    await page.keyboard.press('Escape');
    await inspectView(page, 'naming');
    await region.getByRole('button', { name: 'Name 4' }).press('Enter');
    await page.getByText('2 photos are of Ada Winter now.').waitFor();
    await page
      .getByText('2 photos were skipped: several unknown faces, no unknown face.')
      .or(page.getByText('2 photos were skipped: no unknown face, several unknown faces.'))
      .waitFor();
    await region.getByText('2 selected').waitFor();
    await rowOf('one.jpg').getByRole('link', { name: 'Ada Winter', exact: true }).waitFor();
    // Told by the gallery, which has learned from them, there may be others of her by now.
    await region.getByRole('button', { name: 'Clear' }).click();
  });

  test('a folder by its name, level by level; the address holds it, and a chip takes it away', async () => {
    await page.getByRole('button', { name: 'Filters' }).press('Enter');
    const field = page.getByRole('combobox', { name: 'Folder' });
    await field.press('p');
    await page.getByRole('option', { name: 'party/' }).waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await expect.poll(() => files()).toEqual(['party/mirrored.jpg']);
    expect(address().get('folder')).toBe('party/');
    expect(await page.evaluate("document.activeElement?.getAttribute('role')")).toBe('combobox');
    await inspectView(page, 'filters');
    await page.keyboard.press('Escape');
    await page.getByRole('region', { name: 'Filters' }).waitFor({ state: 'detached' });
    await page.reload();
    await expect.poll(() => files()).toEqual(['party/mirrored.jpg']);
    await page.getByRole('link', { name: /^Only photos in party\// }).click();
    await expect.poll(() => rows().count()).toBe(5);
  });

  test('a person by their name, days, and orders', async () => {
    await services.db.query("UPDATE images SET created_at = '2020-02-29 12:00:00' WHERE path = 'wall.png'");
    await page.getByRole('combobox', { name: 'Order' }).selectOption('Oldest first');
    await expect.poll(async () => (await files())[0]).toBe('party/mirrored.jpg');
    await page.getByRole('combobox', { name: 'Order' }).selectOption('By path');
    await expect.poll(() => files()).toEqual(['one.jpg', 'party/mirrored.jpg', 'strangers.jpg', 'two.jpg', 'wall.png']);
    await page.getByRole('table', { name: 'Photos, by path' }).waitFor();
    await page.getByRole('button', { name: 'Filters' }).click();
    await page.getByRole('combobox', { name: 'Person' }).fill('ada');
    await page.getByRole('option', { name: /Ada Winter/ }).click();
    await expect.poll(async () => (await files()).includes('wall.png')).toBe(false);
    await expect.poll(() => files()).toEqual(expect.arrayContaining(['one.jpg', 'two.jpg']));
    await page.getByRole('link', { name: /^Only photos of Ada Winter/ }).click();
    // A click elsewhere has closed the panel.
    await page.getByRole('button', { name: 'Filters' }).click();
    await page.getByLabel('Until').fill('2020-03-01');
    await page.getByLabel('Until').press('Enter');
    await expect.poll(() => files()).toEqual(['wall.png']);
    await page.getByLabel('From').fill('2020-03-01');
    await page.getByLabel('From').press('Enter');
    await page.getByRole('heading', { name: 'Nothing here' }).waitFor();
    expect([address().get('from'), address().get('to'), address().get('sort')]).toEqual([
      '2020-03-01',
      '2020-03-01',
      'path',
    ]);
    await page.getByRole('button', { name: 'Clear all' }).click();
    await expect.poll(() => rows().count()).toBe(5);
    await page.getByRole('combobox', { name: 'Order' }).selectOption('Newest first');
  });

  test('from a photo to its folder; a person from a folder has a picture', async () => {
    await rowOf('mirrored.jpg')
      .getByRole('link', { name: /^mirrored.jpg/ })
      .click();
    await page.getByRole('link', { name: 'Photos in party/' }).click();
    await expect.poll(() => files()).toEqual(['party/mirrored.jpg']);
    await page.getByRole('link', { name: 'Grace Hopper', exact: true }).click();
    await page.getByRole('heading', { name: 'Grace Hopper', level: 1 }).waitFor();
    const widthOf = (img: string) => page.evaluate(`document.querySelector('${img}')?.naturalWidth`);
    await expect.poll(() => widthOf('.reference img')).toBe(128);
    await expect.poll(() => widthOf('.person-head img')).toBeGreaterThan(100);
  });

  test('thousands of rows: far ones are forgotten, and are there again when one comes back', async () => {
    const made = Array.from({ length: MANY }, (_, n) => [`album/${n}.jpg`, 'no_face', new Date()]);
    await services.db.query('INSERT INTO images (path, status, finished_at) VALUES ?', [made]);
    await page.goto(`${services.address}/?status=no_face&view=grid`);
    const tile = (file: string) => page.locator('.tile').filter({ hasText: file });
    await tile(`${MANY - 1}.jpg`).waitFor();
    const toEnd = async () => {
      await page.keyboard.press('End');
      expect(await page.locator('.tile').count()).toBeLessThan(120);
      return (await tile('wall.png').count()) === 1;
    };
    await waitFor('the oldest photo', toEnd, patience);
    const read: string[] = [];
    page.on('request', (request) => read.push(request.url()));
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight / 2)');
    await expect.poll(() => read.filter((url) => url.includes('cursor=')).length).toBeGreaterThan(0);
    await page.locator('.tile:not([data-far])').first().waitFor();
    await page.locator('.tile[data-far]').first().waitFor({ state: 'detached' });
    await page.keyboard.press('Home');
    await tile(`${MANY - 1}.jpg`).waitFor();
  });

  test('a flood of new photos does not move what is being read', async () => {
    await page.goto(`${services.address}/?status=no_face`);
    await rowOf(`album/${MANY - 1}.jpg`).waitFor();
    await page.evaluate('scrollTo(0, 6000)');
    const middle = () => page.evaluate('document.elementFromPoint(640, 400)?.closest("tr")?.dataset.image');
    const before = await untilSettled('a row in the middle', middle);
    const flood = Array.from({ length: 300 }, (_, n) => [`flood/${n}.jpg`, 'no_face', new Date()]);
    await services.db.query('INSERT INTO images (path, status, finished_at) VALUES ?', [flood]);
    // Any event has the list look.
    await services.post('strangers-grey.jpg');
    const button = page.getByRole('button', { name: 'Many newer' });
    await button.waitFor();
    expect(await middle()).toBe(before);
    await button.click();
    await rowOf('flood/299.jpg').waitFor();
    await button.waitFor({ state: 'detached' });
  });

  test('the browser had nothing to complain about', () => {
    expect(opened.complaints).toEqual([]);
  });
});

/** The largest of the strangers alone, as two photos. */
async function postOneStranger(): Promise<void> {
  const answer = await fetch(`${services.api}/v1/images?q=strangers`);
  const { images } = (await answer.json()) as { images: { faces: { id: number }[] }[] };
  const crop = await fetch(`${services.api}/v1/faces/${images[0]?.faces[0]?.id}/crop`);
  const face = Buffer.from(await crop.arrayBuffer());
  await sharp(face).toFile(join(opened.folder, 'photos', 'one.jpg'));
  await sharp(face)
    .flop()
    .toFile(join(opened.folder, 'photos', 'two.jpg'));
  await services.post('one.jpg', 'two.jpg');
  await waitFor('both results', async () => (await statuses()).filter((it) => it === 'unknown').length === 3, patience);
}

async function statuses(): Promise<string[]> {
  const answer = await fetch(`${services.api}/v1/images`);
  const { images } = (await answer.json()) as { images: { status: string }[] };
  return images.map(({ status }) => status);
}

function address(): URLSearchParams {
  return new URL(page.url()).searchParams;
}

function rows() {
  return page.locator('tbody tr[data-image]');
}

function files(): Promise<string[]> {
  return page.locator('tbody .path-cell').allInnerTexts();
}

function rowOf(file: string) {
  return rows().filter({ has: page.getByRole('rowheader', { name: file }) });
}
