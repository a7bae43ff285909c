import { readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, describeVersions } from '../cli/describe-machine.ts';
import { type Benchmark, type Extent, formatTable } from './figures.ts';

// npm run bench -- NAME [--json] [--images N] [--turns N]: a benchmark is a module beside this one that exports `benchmark`.

const say = (line: string) => void process.stderr.write(`${line}\n`);
const extension = extname(import.meta.url);

// Without a handler neither folders nor processes would be cleared away.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

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
    options: { json: { type: 'boolean', default: false }, images: { type: 'string' }, turns: { type: 'string' } },
  });
  const [name = ''] = positionals;
  const benchmark = await loadBenchmark(name);
  const figures = await benchmark.measure(say, chooseExtent(benchmark, options));
  process.stdout.write(`\n${formatTable(figures)}\n`);
  if (!options.json) return;
  const result = { bench: name, figures, machine: describeMachine(), versions: describeVersions(benchmark.packages) };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

function chooseExtent({ defaults }: Benchmark, asked: { images?: string; turns?: string }): Extent {
  const choose = (key: keyof Extent) => {
    const text = asked[key];
    if (text === undefined) return defaults?.[key] ?? 0;
    if (defaults === undefined) throw new Error(`--${key} means nothing to this benchmark.`);
    if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`--${key} ${text}: expected a whole number from 1 on.`);
    return Number(text);
  };
  return { images: choose('images'), turns: choose('turns') };
}

async function loadBenchmark(name: string): Promise<Benchmark> {
  if (/^[a-z][a-z0-9-]*$/.test(name) && (await listFiles()).includes(`${name}${extension}`)) {
    const { benchmark }: { benchmark?: Benchmark } = await import(
      new URL(`./${name}${extension}`, import.meta.url).href
    );
    if (benchmark !== undefined) return benchmark;
  }
  throw new Error(
    `There is no benchmark "${name}". Usage: npm run bench -- engine|recognizer|pipeline|ingest|scale|listing|page|gallery|rematch|clusters|quality [--json] [--images N] [--turns N]`,
  );
}

function listFiles(): Promise<string[]> {
  return readdir(new URL('.', import.meta.url));
}
