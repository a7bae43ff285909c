import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from './ask.ts';
import { expectAccessible, expectWithinBudget, inspectView } from './browser-checks.ts';
import { type BrowserServices, type OpenPage, openPage, screenshots } from './browser-services.ts';
import { findChromium } from './servers.ts';
import { waitFor } from './wait-for.ts';

const installed = await findChromium();
/** Results, and what follows from a decision, on a machine that has other things to do. */
const patience = { timeout: 120_000 };

let opened: OpenPage;
let services: BrowserServices;
let page: Page;

describe.skipIf('skip' in installed)('the system and its threshold in a real browser', () => {
  beforeAll(async () => {
    opened = await openPage('system', installed);
    ({ services, page } = opened);
  });

  afterAll(() => opened?.close());

  test('the first view, and this one, are within what a view may cost', async () => {
    const { browser } = opened;
    await expectWithinBudget(browser, services.address, (tab) =>
      tab.getByRole('heading', { name: 'No photos yet' }).waitFor(),
    );
    await expectWithinBudget(browser, `${services.address}/system`, (tab) => tab.locator('canvas').nth(2).waitFor());
  });

  test('what is done, how fast, and how large the gallery is', async () => {
    await services.post(
      'party/mirrored.jpg',
      'strangers.jpg',
      'strangers-grey.jpg',
      'strangers-mirrored.jpg',
      'wall.png',
    );
    await fillHistory();
    await page.goto(services.address);
    await openView('System');
    await expect.poll(() => figure('Waiting'), patience).toMatch(/^0\b/);
    await expect.poll(() => figure('Gallery')).toMatch(/^1 person\s+1 reference/);
    await expect.poll(() => figure('Done')).toMatch(/^[\d,]{4,}\s/);
    await expect.poll(() => figure('Free for uploads')).toMatch(/^\d+(\.\d)? [GT]B\s+of /);
    const chart = page.getByRole('img', { name: /^Waiting over the last hour: .+ now, \d+ at most\.$/ });
    await chart.locator('canvas').waitFor();
    await expect.poll(() => page.locator('.chart canvas').count()).toBe(3);
    await page.getByRole('link', { name: '6 hours' }).click();
    await page.getByRole('img', { name: /^Photos a minute over the last 6 hours/ }).waitFor();
    expect(new URL(page.url()).search).toBe('?hours=6');
  });

  test('the charts are a table as well, for who does not see them, by keyboard', async () => {
    await page.getByRole('link', { name: '1 hour' }).click();
    await page.getByText('The last minutes as a table').press('Enter');
    const table = page.getByRole('region', { name: 'The last minutes as a table' }).getByRole('table');
    expect(await table.getByRole('columnheader').allInnerTexts()).toEqual([
      ...['Minute', 'Waiting', 'Done', 'Without an answer', 'Half', '95 %'],
    ]);
    await expect.poll(() => table.getByRole('row').count()).toBe(61);
    // What has really been done, counted by the job: five photos in the newest minutes.
    const done = async () => {
      const cells = await table.locator('tbody tr:nth-child(-n+4) td:nth-child(3)').allInnerTexts();
      return cells.map(Number).some((count) => count >= 1 && count <= 5);
    };
    await waitFor('the job to count', done, patience.timeout);
    await page.getByText('The last minutes as a table').press('Enter');
  });

  test('which processes there are, and who leads which jobs', async () => {
    for (const service of ['Receivers 1', 'Processors 1', 'Recognizers 1']) {
      await page.getByRole('heading', { name: service }).waitFor();
    }
    await expect.poll(() => page.locator('.replicas .tag').allInnerTexts(), patience).toEqual(['Leads', 'Leads']);
    await page.getByText(/^Compares with 1 face, by face-api/).waitFor();
    const job = page.getByRole('listitem').filter({ hasText: 'Keep names true to the gallery' });
    await job.getByText(/^Run by .+\/\d+$/).waitFor();
  });

  test('photos that failed are looked at again: one, those of a reason, all', async () => {
    await services.db.query('INSERT INTO images (path, status, reason_code, reason, finished_at, retry_at) VALUES ?', [
      Array.from({ length: 12 }, (_, n) => [
        ...[`lost/${n}.jpg`, 'failed', n < 2 ? 'storage_full' : 'too_many_tries', `Tried in vain (${n}).`, new Date()],
        n === 11 ? new Date(Date.now() + 3_600_000) : null,
      ]),
    ]);
    const reasons = page.getByRole('region', { name: 'Photos without an answer' });
    await reasons.getByText('Too many tries').waitFor();
    await reasons.getByText('1 is tried again by itself').waitFor();
    await reasons.getByText(/Tried again at \d\d:\d\d\./).waitFor();
    await inspectView(page, 'system');
    await page.screenshot({ path: join(screenshots, 'system-whole.png'), fullPage: true });
    await page.getByRole('button', { name: 'Look again: lost/11.jpg' }).press('Enter');
    await page.getByText('1 photo is looked at again.').waitFor();
    await page.getByRole('button', { name: 'Look again: Storage full' }).click();
    await page.getByText('2 photos are looked at again.').waitFor();
    await page.getByRole('button', { name: 'Look again at all 9 that failed' }).click();
    await page.getByText('9 photos are looked at again.').waitFor();
    // They are not there at all: now the reason says so.
    const gone = reasons.getByRole('listitem').filter({ hasText: 'Unreadable' });
    await gone.getByRole('link', { name: '12 photos' }).waitFor(patience);
  });

  test('a processor that waits for the recognizer says so, and counts down', async () => {
    // As the processor's own report, which it gives again within ten seconds.
    const counted = async () => {
      await services.db.query(
        `UPDATE replicas SET details = '{"breaker":{"state":"open","unavailableForMs":0,"nextAttemptInMs":40000}}',
           seen_at = NOW(3) WHERE service = 'processor'`,
      );
      await page.evaluate("window.dispatchEvent(new Event('visibilitychange'))");
      const waiting = page.locator('.replicas li', { hasText: 'Waits for the recognizer' });
      await waiting.waitFor({ timeout: 2_000 }).catch(() => {});
      const read = async () => Number(/Next try in (\d+) s/.exec((await waiting.allInnerTexts()).join())?.[1]);
      const first = await read();
      await page.waitForTimeout(2_100);
      return first <= 40 && (await read()) < first;
    };
    await waitFor('a countdown', counted, patience.timeout);
  });

  test('another threshold: who would get or lose a name, with examples, before it is set', async () => {
    const names = ['Ada', 'Bea', 'Cleo', 'Dora'];
    for (const path of ['strangers.jpg', 'strangers-grey.jpg']) await nameFaces(path, names);
    await page.getByRole('link', { name: 'Threshold' }).click();
    const slider = page.getByRole('slider', { name: 'Threshold' });
    await page.getByText(/^From the configuration: 0\.\d+$/).waitFor();
    await page.getByText('This is the threshold that is set.').waitFor();
    expect(await slider.getAttribute('aria-valuetext')).toMatch(
      /^At 0\.\d+: strangers named [\d.]+ %, known faces missed/,
    );
    await page.getByRole('button', { name: 'Try the suggestion' }).click();
    await slider.press('Home');
    await page.getByText(/\d+ faces? loses? (its|their) names?\./).waitFor(patience);
    await page.locator('.changes').getByText('Grace Hopper').first().waitFor();
    await slider.press('PageUp');
    await page.locator('.changes img').first().waitFor();
    await inspectView(page, 'threshold');
    await slider.press('Home');
    await page.getByRole('button', { name: 'Set to 0.000' }).click();
    await page.getByText('The threshold is 0 now.').waitFor();
    await page.getByText('Set by somebody: 0').waitFor();
    await expectStatus('party/mirrored.jpg', 'unknown');
    await page.getByRole('button', { name: 'As configured' }).click();
    await page.getByText('The threshold is that of the configuration again.').waitFor();
    await expectStatus('party/mirrored.jpg', 'matched');
  });

  test('in Chinese', async () => {
    // By keyboard: what the page has just told lies over these buttons for some seconds.
    await page.getByRole('button', { name: '简体中文' }).press('Enter');
    await page.getByRole('heading', { name: '阈值', exact: true }).waitFor();
    await page.getByRole('link', { name: '系统' }).first().click();
    await page.getByRole('heading', { name: '没有结果的照片' }).waitFor();
    await page.getByRole('heading', { name: '最近 1 小时', exact: true }).waitFor();
    await page.getByRole('button', { name: 'English' }).press('Enter');
    await page.getByRole('heading', { name: 'The last hour' }).waitFor();
    expect(opened.complaints).toEqual([]);
  });

  test('without a connection it keeps what it has, says so, and recovers by itself', async () => {
    await opened.context.setOffline(true);
    await page.getByText('Faceflow does not answer.').first().waitFor();
    expect(await page.locator('.chart canvas').count()).toBe(3);
    await page.getByRole('link', { name: 'Threshold' }).click();
    const preview = page.getByRole('region', { name: 'What would change' });
    await page.getByRole('slider', { name: 'Threshold' }).press('Home');
    await page.getByRole('slider', { name: 'Threshold' }).press('ArrowRight');
    await preview.getByText('Faceflow does not answer.').waitFor();
    await opened.context.setOffline(false);
    await preview.getByText(/faces? loses? (its|their) names?\./).waitFor(patience);
    await page.locator('.banner').waitFor({ state: 'detached', ...patience });
  });

  test('with nobody in the gallery there is nothing to compare, and the page says what to do', async () => {
    const { people } = await read<{ people: { id: number }[] }>('/v1/people?limit=100');
    for (const { id } of people) await fetch(`${services.api}/v1/people/${id}`, { method: 'DELETE' });
    await page.goto(`${services.address}/system/threshold`);
    await page.getByRole('heading', { name: 'Nobody is known yet' }).waitFor(patience);
    await expectAccessible(page, 'a threshold of nobody');
  });
});

/** By the links that stand above every view. */
async function openView(name: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name, exact: true }).click();
}

/** A number at the top, and what stands below it. */
function figure(name: string): Promise<string> {
  return page
    .locator('.figures > div')
    .filter({ has: page.getByText(name, { exact: true }) })
    .locator('dd')
    .innerText();
}

async function read<Body>(path: string): Promise<Body> {
  return (await ask<Body>('GET', services.api + path)).body;
}

interface Listed {
  readonly status: string;
  readonly path: string;
  readonly faces: readonly { readonly id: number }[];
}

async function findImage(path: string): Promise<Listed | undefined> {
  const { images } = await read<{ images: readonly Listed[] }>('/v1/images?limit=200');
  return images.find((image) => image.path === path);
}

async function expectStatus(path: string, status: string): Promise<void> {
  await waitFor(`${path} to be ${status}`, async () => (await findImage(path))?.status === status, patience.timeout);
}

/** The faces of a photo, in the order in which they stand in it. */
async function nameFaces(path: string, names: readonly string[]): Promise<void> {
  const image = await findImage(path);
  const faces = [...(image?.faces ?? [])] as { id: number; box: { left: number } }[];
  faces.sort((one, other) => one.box.left - other.box.left);
  for (const [n, { id }] of faces.slice(0, names.length).entries()) {
    const body = JSON.stringify({ name: names[n], enrol: true });
    const answer = await fetch(`${services.api}/v1/faces/${id}/person`, { method: 'PUT', body });
    expect(answer.status).toBe(200);
  }
}

/** Minutes of a busy day, as the job would have counted them; those that it has counted itself stay. */
async function fillHistory(): Promise<void> {
  const now = Math.floor(Date.now() / 60_000) * 60_000;
  const rows = Array.from({ length: 24 * 60 - 5 }, (_, n) => {
    const wave = 1 + Math.sin(n / 40) * 0.6 + Math.sin(n / 7) * 0.15;
    const done = Math.round(140 * wave);
    const busy = n > 18 && n < 31;
    return [
      ...[new Date(now - (n + 5) * 60_000), 60, busy ? 900 - Math.abs(24 - n) * 130 : Math.round(12 * wave)],
      ...[Math.round(done * 0.6), Math.round(done * 0.3), Math.round(done * 0.08), busy ? 9 : 1, busy ? 4 : 0],
      ...[Math.round((busy ? 6_000 : 700) * wave), Math.round((busy ? 14_000 : 2_100) * wave)],
    ];
  });
  await services.db.query('REPLACE INTO image_minutes VALUES ?', [rows]);
}
