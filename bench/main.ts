import { readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, describeVersions } from '../cli/describe-machine.ts';
import { type Benchmark, type Extent, formatTable } from './figures.ts';
import { asksForHelp, describeEnd, UsageError } from './usage.ts';

// A benchmark is a module beside this one that exports `benchmark`.

const USAGE = 'Usage: npm run bench -- NAME [--images N] [--turns N] [--json]';
const HELP = `${USAGE}

Measures on this machine; nothing of yours is touched. NAME is one of

  engine      the networks, against face-api on tfjs-wasm in the same run
  recognizer  the recognizer's process, over gRPC: photos a second, latencies, memory
  pipeline    from the POST of a photo to its result in the database, every process of it
  ingest      how many paths are accepted a second while photos are looked at
  scale       1, 2, 4 and 8 processors on one database and one queue
  listing     lists, searches and counts of a million images
  page        how smoothly the page scrolls through a million images
  gallery     searching a million known faces
  rematch     what follows when somebody is named, on 100,000 stored faces
  clusters    grouping 100,000 unknown faces
  quality     how much harder poor faces are to recognise

  --images N  how many photos (page: rows), for recognizer, pipeline, ingest, scale and page
  --turns N   how often each side of a comparison is measured, for the same
  --json      one JSON object in the last line as well

docs/operations.md says what the figures mean.`;

const say = (line: string) => void process.stderr.write(`${line}\n`);
const extension = extname(import.meta.url);

// Without a handler neither folders nor processes would be cleared away.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  await run(process.argv.slice(2));
} catch (error) {
  say(describeEnd(error, USAGE));
  process.exitCode = 1;
}

async function run(args: string[]): Promise<void> {
  if (asksForHelp(args)) return void process.stdout.write(`${HELP}\n`);
  const { values: options, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, images: { type: 'string' }, turns: { type: 'string' } },
  });
  const [name] = positionals;
  if (name === undefined) throw new UsageError(HELP);
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
    if (defaults === undefined) throw new UsageError(`--${key} means nothing to this benchmark.`);
    if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`--${key} ${text}: expected a whole number from 1 on.`);
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
  throw new UsageError(`There is no benchmark "${name}".\n\n${HELP}`);
}

function listFiles(): Promise<string[]> {
  return readdir(new URL('.', import.meta.url));
}
