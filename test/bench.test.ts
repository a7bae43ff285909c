import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const BENCH = fileURLToPath(new URL('../dist/bench/main.js', import.meta.url));

interface Figure {
  value: number;
  unit: string;
  goal?: number;
  ok?: boolean;
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [BENCH, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

async function measure(name: string): Promise<Record<string, Figure>> {
  const { code, stdout, stderr } = await run(name, '--images', '6', '--turns', '1', '--json');
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const { bench, figures } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  expect(bench).toBe(name);
  return figures;
}

// How fast it is stays unsaid here: that is what benchmarks are for, on a machine that is left alone.

test('recognizer: every figure is measured, those that have a goal with it', async () => {
  const figures = await measure('recognizer');
  expect(figures).toMatchObject({
    ready_ms: { unit: 'ms', goal: 2000 },
    rss_mb: { unit: 'MB', goal: 1000 },
    rss_growth_percent: { unit: '%', goal: 5 },
  });
  const { images_per_second, recognizer_efficiency, p50_ms, p99_ms, rss_mb } = figures;
  for (const figure of [images_per_second, recognizer_efficiency, p50_ms]) expect(figure?.value).toBeGreaterThan(0);
  expect(p99_ms?.value).toBeGreaterThanOrEqual(p50_ms?.value ?? 0);
  // Two workers with their networks cannot be smaller.
  expect(rss_mb?.value).toBeGreaterThan(200);
});

test('pipeline: photos go all the way, and every process has its share of CPU time', async () => {
  const figures = await measure('pipeline');
  expect(figures.pipeline_efficiency).toMatchObject({ unit: 'x', goal: 0.9 });
  expect(figures.pipeline_efficiency?.value).toBeGreaterThan(0);
  const processes = ['recognizer', 'processor', 'receiver', 'mariadb', 'nats', 'client', 'engine'];
  expect(Object.keys(figures)).toEqual(expect.arrayContaining(processes.map((name) => `cpu_ms_${name}`)));
  expect(figures.cpu_ms_recognizer?.value).toBeGreaterThan(figures.cpu_ms_processor?.value ?? 0);
  expect(figures.p50_ms?.value).toBeGreaterThan(0);
});

test.each([
  { args: ['nothing'], says: 'There is no benchmark "nothing"' },
  { args: ['pipeline', '--images', '0'], says: '--images 0: expected a whole number from 1 on' },
  { args: ['engine', '--turns', '1'], says: '--turns means nothing to this benchmark' },
  { args: ['engine', '--nothing'], says: "Unknown option '--nothing'" },
  { args: [], says: 'Usage: npm run bench -- NAME' },
])('$args is refused', async ({ args, says }) => {
  const { code, stderr } = await run(...args);
  expect(code).toBe(1);
  expect(stderr).toContain(says);
  expect(stderr).not.toMatch(/^ +at /m);
});

test('--help tells every benchmark that there is', async () => {
  const modules = (await readdir(dirname(BENCH))).filter((file) => file.endsWith('.js'));
  const texts = await Promise.all(modules.map((file) => readFile(join(dirname(BENCH), file), 'utf8')));
  const benchmarks = modules.filter((_, index) => texts[index]?.includes('export const benchmark ='));
  expect(benchmarks.length).toBeGreaterThan(5);
  const { code, stdout, stderr } = await run('--help');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const file of benchmarks) expect(stdout).toMatch(new RegExp(`^  ${basename(file, '.js')} `, 'm'));
});
