import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { formatRate } from '../format-rate.ts';
import { LaunchError } from '../launch-error.ts';
import { createProgress } from '../progress.ts';
import type { SeenImage } from './answers.ts';
import { describeLeftOut, type FoundPhotos, findPhotos } from './find-photos.ts';
import { formatColumns, formatImages, print } from './print.ts';
import { isLocal, type Submitted, submitPhotos } from './submit-photos.ts';
import { waitForImages } from './wait-for-images.ts';

export interface AddOptions {
  /** true: always; false: never. */
  upload?: boolean;
  wait: boolean;
  json?: boolean;
}

/** More would scroll away: then only what went wrong is listed. */
const LISTED = 500;

/** `faceflow add`. @returns the exit code: 1 when a photo was refused, could not be read or failed */
export async function add(given: readonly string[], options: AddOptions): Promise<number> {
  const steps = openSteps();
  const { sources, found } = await findSources(given);
  const leftOut = countLeftOut(found);
  const unreadable = found.flatMap((one) => one.unreadable).map(toRefused);
  if (sources.length === 0 && unreadable.length === 0) {
    throw new LaunchError([`There is no photo in ${given.join(', ')}.`, describeLeftOut(leftOut)].join(' ').trim());
  }
  const submitted = [...(await submit(sources, options, steps)), ...unreadable];
  const refused = submitted.filter(({ error }) => error !== undefined);
  const ids = submitted.flatMap(({ id }) => id ?? []);
  const images = options.wait && ids.length > 0 ? await wait(ids, steps) : [];
  const text = [describe(submitted, images), describeLeftOut(leftOut)].filter((part) => part !== '').join('\n');
  print(options.json, { submitted, images, leftOut: Object.fromEntries(leftOut) }, text);
  return refused.length > 0 || images.some(isTrouble) ? 1 : 0;
}

interface Sources {
  readonly sources: readonly string[];
  /** In each of the folders that were given. */
  readonly found: readonly FoundPhotos[];
}

async function findSources(given: readonly string[]): Promise<Sources> {
  const sources: (readonly string[])[] = [];
  const found: FoundPhotos[] = [];
  for (const one of given) {
    if (one === '-') sources.push(await readLines());
    else if (!isLocal(one)) sources.push([one]);
    else {
      const here = await findPhotos(resolve(one));
      sources.push(here.photos);
      found.push(here);
    }
  }
  return { sources: sources.flat(), found };
}

function countLeftOut(found: readonly FoundPhotos[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { leftOut } of found) {
    for (const [kind, count] of leftOut) counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return counts;
}

function toRefused({ folder, message }: FoundPhotos['unreadable'][number]): Submitted {
  return { source: folder, error: { code: 'folder_unreadable', message } };
}

/** Paths as the server knows them, one a line. */
async function readLines(): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: process.stdin })) if (line !== '') lines.push(line);
  return lines;
}

function submit(sources: readonly string[], { upload }: AddOptions, steps: Steps): Promise<Submitted[]> {
  const how = upload === undefined ? 'where needed' : upload ? 'always' : 'never';
  return steps.count(
    { title: `Submitting ${sources.length} photos`, all: sources.length },
    // Twice is harmless: what was accepted is the same image, what was uploaded is not sent again.
    (done) => `Stopped: ${done} of ${sources.length} photos are submitted. The same command goes on from there.`,
    (onDone) => submitPhotos(sources, { upload: how, onDone }),
  );
}

function wait(ids: readonly number[], steps: Steps): Promise<SeenImage[]> {
  return steps.count(
    { title: 'Looking at them', all: ids.length },
    (done) => `All are submitted; ${done} of ${ids.length} have been looked at. The others will be.`,
    (onDone) => waitForImages(ids, onDone),
  );
}

interface Steps {
  /** @param stopped what is said when somebody interrupts it */
  count<Result>(
    step: { title: string; all: number },
    stopped: (done: number) => string,
    work: (onDone: (count: number) => void) => Promise<Result>,
  ): Promise<Result>;
}

/** Steps that count, and that may be interrupted at any time. */
function openSteps(): Steps {
  const progress = createProgress(process.stderr);
  let describeStop = () => 'Stopped.';
  process.once('SIGINT', () => {
    progress.say(describeStop());
    process.exit(130);
  });
  return {
    count({ title, all }, stopped, work) {
      let done = 0;
      const startedAt = Date.now();
      describeStop = () => stopped(done);
      return progress.step(title, (detail) =>
        work((count) => {
          done += count;
          detail(formatRate(done, all, startedAt));
        }),
      );
    },
  };
}

const isTrouble = ({ status }: SeenImage) => status === 'failed' || status === 'unreadable';

function describe(submitted: readonly Submitted[], images: readonly SeenImage[]): string {
  const refused = submitted.flatMap(({ source, error }) => (error ? [[source, error.code, error.message]] : []));
  const sources = new Map(submitted.map(({ id, source }) => [id, source]));
  // What was sent has a path that says nothing to whoever has sent it.
  const named = images.map((image) => ({ ...image, path: sources.get(image.id) ?? image.path }));
  const listed = named.length <= LISTED ? named : named.filter(isTrouble);
  const counts = new Map<string, number>();
  for (const { status } of images) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [
    ...(listed.length > 0 ? [formatImages(listed)] : []),
    ...(refused.length > 0 ? [formatColumns(['refused', 'code', 'why'], refused)] : []),
    [
      `${submitted.length - refused.length} submitted`,
      ...[...counts].map(([status, count]) => `${count} ${status}`),
    ].join(', '),
  ].join('\n\n');
}
