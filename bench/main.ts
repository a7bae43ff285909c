import { readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { describeMachine, describeVersions } from '../cli/describe-machine.ts';
import { type Benchmark, formatTable } from './figures.ts';

// npm run bench -- NAME [--json]: a benchmark is a module beside this one that exports `benchmark`.

const say = (line: string) => void process.stderr.write(`${line}\n`);
const extension = extname(import.meta.url);

try {
  await run(process.argv.slice(2));
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}

async function run(args: readonly string[]): Promise<void> {
  const [name = ''] = args.filter((argument) => argument !== '--json');
  const benchmark = await loadBenchmark(name);
  const figures = await benchmark.measure(say);
  process.stdout.write(`\n${formatTable(figures)}\n`);
  if (!args.includes('--json')) return;
  const result = { bench: name, figures, machine: describeMachine(), versions: describeVersions(benchmark.packages) };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

async function loadBenchmark(name: string): Promise<Benchmark> {
  if (/^[a-z][a-z0-9-]*$/.test(name) && (await listFiles()).includes(`${name}${extension}`)) {
    const { benchmark }: { benchmark?: Benchmark } = await import(
      new URL(`./${name}${extension}`, import.meta.url).href
    );
    if (benchmark !== undefined) return benchmark;
  }
  throw new Error(`There is no benchmark "${name}". Usage: npm run bench -- engine [--json]`);
}

function listFiles(): Promise<string[]> {
  return readdir(new URL('.', import.meta.url));
}
