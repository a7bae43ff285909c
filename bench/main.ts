import { readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, describeVersions } from '../cli/describe-machine.ts';
import { type Benchmark, formatTable } from './figures.ts';

// npm run bench -- NAME [--json] [--images N]: a benchmark is a module beside this one that exports `benchmark`.

const say = (line: string) => void process.stderr.write(`${line}\n`);
const extension = extname(import.meta.url);

try {
  await run(process.argv.slice(2));
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}

async function run(args: string[]): Promise<void> {
  const { values: options, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, images: { type: 'string' } },
  });
  const [name = ''] = positionals;
  const benchmark = await loadBenchmark(name);
  const figures = await benchmark.measure(say, countImages(benchmark, options.images));
  process.stdout.write(`\n${formatTable(figures)}\n`);
  if (!options.json) return;
  const result = { bench: name, figures, machine: describeMachine(), versions: describeVersions(benchmark.packages) };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function countImages({ images }: Benchmark, asked: string | undefined): number {
  if (asked === undefined) return images ?? 0;
  if (images === undefined) throw new Error('--images means nothing to this benchmark.');
  if (!/^[1-9]\d{0,5}$/.test(asked)) throw new Error(`--images ${asked}: expected a whole number from 1 on.`);
  return Number(asked);
}

async function loadBenchmark(name: string): Promise<Benchmark> {
  if (/^[a-z][a-z0-9-]*$/.test(name) && (await listFiles()).includes(`${name}${extension}`)) {
    const { benchmark }: { benchmark?: Benchmark } = await import(
      new URL(`./${name}${extension}`, import.meta.url).href
    );
    if (benchmark !== undefined) return benchmark;
  }
  throw new Error(
    `There is no benchmark "${name}". Usage: npm run bench -- engine|recognizer|pipeline [--json] [--images N]`,
  );
}

function listFiles(): Promise<string[]> {
  return readdir(new URL('.', import.meta.url));
}
