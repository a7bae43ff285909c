import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServiceError, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { createRandom } from './hostile-bytes.ts';
import { type Expected, type HostileFile, makeHostileFiles } from './hostile-files.ts';
import { connectRecognizer, type RecognizerClient } from './recognizer-client.ts';
import { samplePhoto } from './sample-photos.ts';
import { type RunningService, startService } from './servers.ts';

/** `HOSTILE_SEED=… npm test` makes the same files again, or others. */
const SEED = Number(process.env.HOSTILE_SEED ?? 20_261_121);
const FILES = 2000;
const IN_FLIGHT = 8;
const SAMPLE_EVERY = 200;
const MAX_GROWTH_MB = 250;
/** What a permanent error may answer; the code says more. */
const PERMANENT = [status.INVALID_ARGUMENT, status.NOT_FOUND, status.PERMISSION_DENIED];

interface Ending {
  readonly file: string;
  readonly status: number;
  readonly code: string | undefined;
  readonly details: string;
  readonly ms: number;
}

test('2,000 damaged and hostile files end with a reason, and leave nothing behind', { timeout: 900_000 }, async () => {
  console.info(`hostile files of seed ${SEED}`);
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-hostile-'));
  const roots = join(folder, 'photos');
  await mkdir(roots);
  await writeFile(join(roots, 'good.jpg'), await readFile(samplePhoto(1)));
  const recognizer = await startService('recognizer', {
    IMAGE_ROOTS: roots,
    RECOGNIZER_WORKERS: '2',
    LOG_LEVEL: 'info',
    LOG_FORMAT: 'json',
  });
  const client = connectRecognizer(recognizer.port);
  try {
    const before = await client.identify('good.jpg');
    const { endings, megabytes } = await sendAll(recognizer, client, roots);

    expect(endings).toHaveLength(FILES);
    const codes = await readDocumentedCodes();
    expect(endings.filter((ending) => !isProper(ending, codes))).toEqual([]);
    const [warm = 0, ...later] = megabytes;
    expect((later.at(-1) ?? Number.NaN) - warm).toBeLessThan(MAX_GROWTH_MB);
    expect(recognizer.log()).not.toMatch(/worker thread|"level":(50|60)/);
    // Both threads are asked.
    for (const after of await Promise.all([client.identify('good.jpg'), client.identify('good.jpg')])) {
      expect(after.faces.map(({ box }) => box)).toEqual(before.faces.map(({ box }) => box));
    }
  } finally {
    client.close();
    await recognizer.stop();
    await rm(folder, { recursive: true });
  }
});

async function sendAll({ pid }: RunningService, client: RecognizerClient, roots: string) {
  const files = makeHostileFiles(createRandom(SEED));
  const endings: (Ending & { expected: Expected })[] = [];
  const memory: Promise<number>[] = [];
  const send = async () => {
    for (let next = await files.next(); !next.done; next = await files.next()) {
      endings.push({ ...(await sendOne(client, roots, next.value)), expected: next.value.expected });
      if (endings.length % SAMPLE_EVERY === 0) memory.push(memoryOf(pid));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  const megabytes = await Promise.all(memory);
  console.info(describeRun(endings, megabytes));
  return { endings, megabytes };
}

async function sendOne(client: RecognizerClient, roots: string, { name, bytes }: HostileFile): Promise<Ending> {
  const path = join(roots, name);
  await writeFile(path, bytes);
  const started = performance.now();
  const ending = await client.start(name).answer.then(
    (answer) => ({ status: status.OK, code: undefined, details: answer.recognition ? '' : 'no recognition' }),
    (error: ServiceError) => ({
      status: error.code,
      code: error.metadata?.get('faceflow-error-code')[0]?.toString(),
      details: error.details,
    }),
  );
  const ms = Math.round(performance.now() - started);
  await rm(path);
  return { file: name, ms, ...ending };
}

function isProper({ status: got, code, details, expected }: Ending & { expected: Expected }, codes: Set<string>) {
  if (got === status.OK) return details === '' && (expected === null || expected === 'recognised');
  // One sentence for people: no path of the machine, no stack.
  const isPlain = /^[A-Z][^/\\\n]{10,250}\.$/.test(details) && !/\.(js|ts|cc)\b|Error:/.test(details);
  const isExpected = expected === null || (expected !== 'recognised' && expected.includes(code ?? ''));
  return PERMANENT.includes(got) && codes.has(code ?? '') && isPlain && isExpected;
}

/** The codes in the table of docs/api.md on gRPC. */
async function readDocumentedCodes(): Promise<Set<string>> {
  const text = await readFile(join(import.meta.dirname, '../docs/api.md'), 'utf8');
  const [, grpc = ''] = text.split('\n## gRPC\n');
  return new Set([...grpc.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, code = '']) => code));
}

/** Resident memory, MB. */
async function memoryOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1]) / 1024);
}

function describeRun(endings: readonly Ending[], megabytes: readonly number[]): string {
  const counts = new Map<string, number>();
  for (const { code = 'recognised' } of endings) counts.set(code, (counts.get(code) ?? 0) + 1);
  const slowest = [...endings].sort((a, b) => b.ms - a.ms).slice(0, 3);
  return [
    [...counts].map(([code, count]) => `${code} ${count}`).join(', '),
    `memory every ${SAMPLE_EVERY} files: ${megabytes.join(', ')} MB`,
    `slowest: ${slowest.map(({ file, ms }) => `${file} ${ms} ms`).join(', ')}`,
  ].join('\n');
}
