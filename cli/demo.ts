import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DemoPicture, makeDemoPhotos } from './demo-photos.ts';
import { findDeviations, formatTable, type SeenImage } from './demo-table.ts';
import { isPortFree } from './free-port.ts';
import { launch } from './launch.ts';
import { LaunchError } from './launch-error.ts';
import { type LaunchSettings, loadLaunchSettings, readDotEnv } from './launch-settings.ts';
import { createProgress, type Progress } from './progress.ts';
import { isAbort, listenForStop, untilAborted } from './until-stopped.ts';

export interface DemoOptions {
  exit?: boolean;
}

const RESULTS_WITHIN_MS = 300_000;
const ASK_EVERY_MS = 250;

/** What a person has set for their own Faceflow is not for the demo, which must not touch their data. */
const NOT_FOR_THE_DEMO = [
  'MYSQL_URL',
  'NATS_URL',
  'RECOGNIZER_ADDRESS',
  'RECEIVER_URL',
  'IMAGES_STREAM',
  'IMAGES_CONSUMER',
  'MATCH_THRESHOLD',
];

/**
 * `faceflow demo`: everything in a throw-away data folder, with sample people enrolled and sample photos submitted.
 * Prints who was seen in which, then stays up until it is told to stop, or ends at once with `exit`.
 * Returns the exit code: with `exit`, 0 only if every expectation held.
 */
export async function demo(options: DemoOptions): Promise<number> {
  readDotEnv();
  const progress = createProgress(process.stdout);
  const stop = listenForStop(progress);
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-demo-'));
  try {
    return await runDemo(folder, options, progress, stop);
  } catch (error) {
    if (!isAbort(error, stop.signal)) throw error;
    return 130;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runDemo(
  folder: string,
  options: DemoOptions,
  progress: Progress,
  stop: ReturnType<typeof listenForStop>,
): Promise<number> {
  const settings = await demoSettings(folder);
  const pictures = await progress.step(
    'Preparing the sample photos',
    () => makeDemoPhotos(join(folder, 'photos'), settings.knownPeople),
    (made) => `${made.length} sample photos, ${new Set(made.flatMap((it) => it.people)).size} people to know`,
  );
  const stack = await launch(settings, { progress, signal: stop.signal, onStarted: stop.onStarted });
  try {
    const seen = await progress.step(
      'Looking at the photos',
      (detail) => submitAndWait(stack.apiUrl, pictures, detail, stop.signal),
      (all) => `${all.size} photos looked at`,
    );
    const deviations = pictures.flatMap((picture) => {
      const image = seen.get(picture.path);
      return image ? findDeviations(picture, image) : [`${picture.path}: no result`];
    });
    progress.say(`\n${formatTable(pictures, seen)}\n`);
    progress.say(describeOutcome(pictures.length, deviations));
    if (options.exit) return deviations.length === 0 ? 0 : 1;
    progress.say(`\nThe same as a page: ${stack.pageUrl}\nCtrl-C ends the demo and removes its data.`);
    await untilAborted(stop.signal);
    return 0;
  } finally {
    await stack.stop();
  }
}

function describeOutcome(count: number, deviations: readonly string[]): string {
  if (deviations.length === 0) return `✔ All ${count} as expected: everybody who is known was named, no stranger was.`;
  return ['✖ Not as expected:', ...deviations.map((it) => `    ${it}`)].join('\n');
}

async function demoSettings(folder: string): Promise<LaunchSettings> {
  const blank = Object.fromEntries(NOT_FOR_THE_DEMO.map((key) => [key, '']));
  const paths = { DATA_DIR: folder, IMAGE_ROOTS: join(folder, 'photos'), KNOWN_PEOPLE: join(folder, 'known_people') };
  const env = { ...process.env, ...blank, ...paths };
  const usual = await loadLaunchSettings(env);
  const orAny = async (port: number) => String((await isPortFree(port, usual.host)) ? port : 0);
  return await loadLaunchSettings({
    ...env,
    RECEIVER_PORT: await orAny(usual.ports.receiver),
    FRONTEND_PORT: await orAny(usual.ports.frontend),
    RECOGNIZER_PORT: await orAny(usual.ports.recognizer),
  });
}

/** Posts every picture in one request and waits until none is pending. */
async function submitAndWait(
  api: string,
  pictures: readonly DemoPicture[],
  detail: (text: string) => void,
  signal: AbortSignal,
): Promise<Map<string, SeenImage>> {
  const paths = pictures.map(({ path }) => ({ path }));
  await askJson(`${api}/images/post`, { method: 'POST', body: JSON.stringify({ paths }), signal });
  const deadline = Date.now() + RESULTS_WITHIN_MS;
  for (let shown = -1; ; ) {
    const { images } = await askJson<{ images: SeenImage[] }>(`${api}/v1/images?limit=${pictures.length}`, { signal });
    const done = images.filter(({ status }) => status !== 'pending');
    if (done.length >= pictures.length) return new Map(done.map((image) => [image.path, image]));
    if (Date.now() > deadline) {
      throw new LaunchError(
        `Only ${done.length} of ${pictures.length} photos were looked at in ${RESULTS_WITHIN_MS / 60_000} minutes.`,
      );
    }
    if (done.length !== shown) detail(`${done.length} of ${pictures.length}`);
    shown = done.length;
    await sleep(ASK_EVERY_MS, null, { signal });
  }
}

async function askJson<Answer>(url: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  if (!response.ok)
    throw new LaunchError(`${url} answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
  return (await response.json()) as Answer;
}
