import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Row } from '../lib/database.ts';
import { expectAccessible, inspectView } from './browser-checks.ts';
import { type BrowserServices, grace, type OpenPage, openPage } from './browser-services.ts';
import { samplePhoto } from './sample-photos.ts';
import { findChromium } from './servers.ts';
import { waitFor } from './wait-for.ts';

const installed = await findChromium();
/** Results, and what follows from a decision, on a machine that has other things to do. */
const patience = { timeout: 120_000 };

let opened: OpenPage;
let services: BrowserServices;
let page: Page;

describe.skipIf('skip' in installed)('what people do with the page, in a real browser', () => {
  beforeAll(async () => {
    opened = await openPage('flows', installed);
    ({ services, page } = opened);
    await services.post('strangers.jpg', 'strangers-mirrored.jpg', 'strangers-grey.jpg', 'party/mirrored.jpg');
    await page.goto(services.address);
    const finished = page.locator('tr:is([data-status=unknown], [data-status=matched])');
    await waitFor('four results', async () => (await finished.count()) === 4, patience.timeout);
  });

  afterAll(() => opened?.close());

  test('one photo: boxes to point at, and why each face is whose it is', async () => {
    await rowLink('mirrored.jpg: Grace Hopper').click();
    const box = page.getByRole('button', { name: /Face \d: Grace Hopper/ });
    await box.click();
    expect(await box.getAttribute('aria-pressed')).toBe('true');
    const card = cardOf('Grace Hopper');
    expect(await card.getAttribute('data-pointed')).toBe('true');
    await card.getByText('Why?').click();
    await card.getByText(/\(a match up to 0\.\d+\)/).waitFor();
    await inspectView(page, 'photo');
  });

  test('a face gets a name, and the same face in other photos follows', async () => {
    await openView('Photos');
    await rowLink('strangers.jpg: ').click();
    const card = page.locator('.face-card').first();
    await card.getByRole('button', { name: 'Name', exact: true }).press('Enter');
    await page.keyboard.type('Ada Winter');
    await expectAccessible(page, 'naming a face');
    await page.keyboard.press('Escape');
    await card.getByRole('button', { name: 'Save' }).press('Enter');
    await cardOf('Ada Winter').getByText('2 more photos of Ada Winter found').waitFor();
    await cardOf('Ada Winter')
      .getByRole('link', { name: /2 more photos/ })
      .click();
    await expect.poll(() => page.locator('tr[data-status=matched]').count()).toBe(3);
    await page.getByRole('link', { name: /Only photos of Ada Winter/ }).waitFor();
  });

  test('not this person: remembered', async () => {
    await rowLink('strangers-grey.jpg: Ada Winter').click();
    await cardOf('Ada Winter').getByRole('button', { name: 'Not Ada Winter' }).click();
    await page.getByText('Not Ada Winter: remembered').waitFor();
    await cardOf('Ada Winter').waitFor({ state: 'detached' });
  });

  test('unknown faces of one person: split off, named at once, ignored', async () => {
    // None comes or goes any more while one looks.
    await waitFor('every unknown face to be looked at', async () => {
      const waiting = 'SELECT 1 FROM faces WHERE cluster_state = 0 AND person_id IS NULL LIMIT 1';
      return (await services.db.query<Row[]>(waiting))[0].length === 0;
    });
    await openView('Unknown');
    await expect.poll(() => page.locator('.cluster').count(), patience).toBeGreaterThanOrEqual(2);
    await inspectView(page, 'unknown');
    const [named, ignored] = await clusterIds();
    await page.locator(`[data-cluster="${named}"] a`).click();
    await page.getByRole('heading', { name: 'Somebody in 3 faces' }).waitFor();
    await page.getByRole('checkbox', { name: 'Select Face 1' }).check();
    await expectAccessible(page, 'a cluster');
    await page.getByRole('button', { name: 'Split off 1 face' }).click();
    await page.getByRole('heading', { name: 'Somebody in 2 faces' }).waitFor();
    await page
      .getByRole('textbox', { name: 'Name' })
      .or(page.getByRole('combobox', { name: 'Name' }))
      .fill('Bea Summers');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Name', exact: true }).click();
    await page.getByRole('heading', { name: 'Bea Summers', level: 1 }).waitFor();
    await openView('Unknown');
    await page.locator(`[data-cluster="${ignored}"]`).getByRole('button', { name: 'Ignore' }).click();
    await page.locator(`[data-cluster="${ignored}"]`).waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'Ignored' }).click();
    await page.locator(`[data-cluster="${ignored}"]`).waitFor();
  });

  test('people: add, rename, learn from photos, merge', async () => {
    await openView('People');
    await page.getByRole('link', { name: /Grace Hopper/ }).waitFor();
    await inspectView(page, 'people');
    await page.getByRole('button', { name: 'Add a person' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('Gracie');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Gracie', level: 1 }).waitFor();
    await openView('People');
    await page.getByRole('link', { name: /Grace Hopper/ }).click();
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('Grace Murray Hopper');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Grace Murray Hopper', level: 1 }).waitFor();
    const learned = await sharp(samplePhoto(3)).extract(grace.crop).flop().jpeg().toBuffer();
    const files = [photoFile('grace.jpg', learned), photoFile('party.jpg', await sharp(samplePhoto(6)).toBuffer())];
    await page.getByText('Take poor ones and duplicates too').click();
    await page.locator('input[type=file]').setInputFiles(files);
    await page.getByText('1 photo is learned.').waitFor();
    expect(await page.getByRole('list', { name: 'Refused' }).innerText()).toMatch(/^party\.jpg: .*face/);
    await page.getByRole('button', { name: 'Merge' }).click();
    const dialog = page.getByRole('region', { name: 'Merge with Grace Murray Hopper' });
    await dialog.getByLabel('Who is the same person?').fill('Gracie');
    await page.getByRole('option', { name: /Gracie/ }).click();
    await dialog.getByRole('button', { name: 'Merge' }).click();
    await page.getByText('Gracie is Grace Murray Hopper now.').waitFor();
    await page.getByText(/^1 photo · 2 references$/).waitFor();
    await inspectView(page, 'person');
  });

  test('search by a photo: who it is, and where else', async () => {
    await openView('Search');
    await expectAccessible(page, 'search');
    const photo = await sharp(samplePhoto(3)).resize(900).jpeg().toBuffer();
    await page.locator('input[type=file]').setInputFiles([photoFile('who.jpg', photo)]);
    const face = page.locator('.found-face').filter({ hasText: 'match' });
    await face.getByRole('link', { name: 'Grace Murray Hopper' }).waitFor();
    expect(await face.locator('.found-photos img').count()).toBe(1);
    await inspectView(page, 'search');
  });

  test('upload: a folder, with progress; cancel and try again', async () => {
    await openView('Upload');
    const holiday = join(opened.folder, 'holiday');
    await mkdir(holiday);
    await sharp(samplePhoto(1)).resize(800).toFile(join(holiday, 'one.jpg'));
    await writeFile(join(holiday, 'notes.txt'), 'no photo');
    await page.locator('input[webkitdirectory]').setInputFiles(holiday);
    await page.getByText('1 file is no photo and was left out.').waitFor();
    await page.getByText('1 photo is uploaded.').waitFor();
    // Holds the next one back in the browser, so that there is time to cancel it.
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/v1/images', async (route) => {
      await held;
      await route.continue().catch(() => {});
    });
    const photo = await sharp(samplePhoto(2)).resize(800).jpeg().toBuffer();
    await page
      .locator('input[type=file]')
      .first()
      .setInputFiles([photoFile('two.jpg', photo)]);
    // The tab asks before what is on its way is lost, and is not replaced by a photo that misses the drop zone.
    await page.getByRole('button', { name: 'two.jpg: Cancel' }).waitFor();
    expect(await page.evaluate(isStopped.beforeunload)).toBe(true);
    expect(await page.evaluate(isStopped.dragover)).toBe(true);
    await page.getByRole('button', { name: 'two.jpg: Cancel' }).click();
    await page.locator('.upload[data-state=cancelled]').waitFor();
    await inspectView(page, 'upload');
    release();
    await page.unroute('**/v1/images');
    await page.getByRole('button', { name: 'two.jpg: Try again' }).click();
    await page.getByText('2 photos are uploaded.').waitFor();
    expect(await page.evaluate(isStopped.beforeunload)).toBe(false);
    await page.getByRole('link', { name: 'one.jpg: Show' }).click();
    await page.locator('.face-card').first().waitFor();
  });

  test('erasing somebody gives a receipt, and their name leaves every photo', async () => {
    await openView('People');
    await page.getByRole('link', { name: /Ada Winter/ }).click();
    await page.getByRole('button', { name: 'Erase' }).click();
    const dialog = page.getByRole('dialog', { name: 'Erase Ada Winter?' });
    await expectAccessible(page, 'the question before erasing');
    await dialog.getByRole('button', { name: 'Erase' }).click();
    await page.getByRole('heading', { name: 'Erased' }).waitFor();
    expect(await page.locator('.receipt code').innerText()).toMatch(/^[0-9a-f]{64}$/);
    await inspectView(page, 'receipt');
    await waitFor('nobody to be called Ada', async () => {
      const answer = await fetch(`${services.api}/v1/images?q=ada`);
      return ((await answer.json()) as { images: unknown[] }).images.length === 0;
    });
  });

  test('what does not exist is said', async () => {
    complaintsSoFar();
    await page.goto(`${services.address}/people/999999`);
    await page.getByRole('heading', { name: 'Person not found' }).waitFor();
    await page.goto(`${services.address}/images/999999`);
    await page.getByRole('heading', { name: 'Photo not found' }).waitFor();
    await page.goto(`${services.address}/nowhere`);
    await page.getByRole('heading', { name: 'Nothing here' }).waitFor();
    await expectAccessible(page, 'a page that does not exist');
  });
});

/** The browser had nothing to complain about until now. */
function complaintsSoFar(): void {
  expect(opened.complaints).toEqual([]);
}

/** By the links that stand above every view. */
async function openView(name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name, exact: true }).click();
}

function rowLink(name: string) {
  return page.getByRole('row').getByRole('link', { name }).first();
}

function cardOf(name: string) {
  return page.locator('.face-card').filter({ has: page.getByRole('heading', { name, level: 2 }) });
}

async function clusterIds(): Promise<string[]> {
  const cards = page.locator('.cluster');
  return Promise.all([0, 1].map(async (n) => (await cards.nth(n).getAttribute('data-cluster')) ?? ''));
}

function photoFile(name: string, buffer: Buffer) {
  return { name, mimeType: 'image/jpeg', buffer };
}

/** Whether the page keeps the browser from what it does of itself when a tab is closed, or a file dragged beside the drop zone. */
const isStopped = {
  beforeunload: "!window.dispatchEvent(new Event('beforeunload', { cancelable: true }))",
  dragover: `(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([''], 'a.jpg'));
    return !document.body.dispatchEvent(new DragEvent('dragover', { dataTransfer, bubbles: true, cancelable: true }));
  })()`,
} as const;
