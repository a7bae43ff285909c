import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { type Benchmark, type Figures, plain, withGoal } from './figures.ts';
import type { GalleryOrder, GalleryReply } from './gallery-child.ts';

// The recognizer's gallery against an exact search in JavaScript, at growing sizes: five faces for each person, probes
// that show enrolled people anew. The last size is what the goals are for; its index takes minutes to build.

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const PROBES = 1_000;

export const benchmark: Benchmark = {
  packages: ['usearch'],

  async measure(say) {
    const folder = await mkdtemp(join(tmpdir(), 'faceflow-bench-gallery-'));
    try {
      const rows: string[][] = [];
      let figures: Figures = {};
      for (const size of SIZES) {
        say(`${size} faces: building`);
        const snapshot = join(folder, String(size));
        const built = await runChild({ kind: 'build', size, folder: snapshot });
        say(`${size} faces: searching`);
        const found = await runChild({ kind: 'search', size, folder: snapshot, probes: PROBES });
        rows.push(toRow(size, built, found));
        figures = { ...figures, ...toFigures(size, built, found) };
        await rm(snapshot, { recursive: true });
      }
      for (const line of formatRows(rows)) say(line);
      return figures;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

type Built = Extract<GalleryReply, { kind: 'build' }>;
type Found = Extract<GalleryReply, { kind: 'search' }>;

/** A process of its own: what building leaves in memory is no part of what searching needs. */
async function runChild<Kind extends GalleryOrder['kind']>(
  order: Extract<GalleryOrder, { kind: Kind }>,
): Promise<Extract<GalleryReply, { kind: Kind }>> {
  const child = fork(new URL(`./gallery-child${extname(import.meta.url)}`, import.meta.url), [JSON.stringify(order)]);
  const exit = once(child, 'exit').then(([code]) => {
    throw new Error(`A process that was to be measured ended with code ${code}.`);
  });
  exit.catch(() => undefined);
  try {
    const [reply] = (await Promise.race([once(child, 'message'), exit])) as [GalleryReply];
    return reply as Extract<GalleryReply, { kind: Kind }>;
  } finally {
    child.kill();
  }
}

function toFigures(size: number, built: Built, found: Found): Figures {
  if (size !== SIZES.at(-1)) {
    return { [`p50_ms_${size}`]: plain(found.p50Ms, 'ms'), [`speedup_vs_exact_${size}`]: plain(speedup(found), 'x') };
  }
  return {
    recall_at_1: withGoal(found.recall, '', 'higher', 0.995),
    p99_ms: withGoal(found.p99Ms, 'ms', 'lower', 2),
    speedup_vs_exact: withGoal(speedup(found), 'x', 'higher', 100),
    rss_mb: withGoal(found.rssMb, 'MB', 'lower', 1200),
    ready_s: withGoal(found.readyS, 's', 'lower', 10),
    p50_ms: plain(found.p50Ms, 'ms'),
    p99_cpu_ms: plain(found.p99CpuMs, 'ms'),
    exact_ms: plain(found.exactMs, 'ms'),
    recall_at_1_strangers: plain(found.strangerRecall, ''),
    change_ms: plain(found.changeMs, 'ms'),
    longest_block_ms: plain(found.longestBlockMs, 'ms'),
    longest_block_snapshot_ms: plain(built.snapshotBlockMs, 'ms'),
    build_s: plain(built.buildS, 's'),
    snapshot_s: plain(built.snapshotS, 's'),
  };
}

const speedup = ({ exactMs, meanMs }: Found) => exactMs / meanMs;

const HEADINGS = ['faces', 'recall@1', 'p50 ms', 'p99 ms', 'exact ms', 'faster', 'RSS MB', 'ready s', 'build s'];

function toRow(size: number, built: Built, found: Found): string[] {
  const numbers = [found.recall, found.p50Ms, found.p99Ms, found.exactMs, speedup(found), found.rssMb, found.readyS];
  return [String(size), ...[...numbers, built.buildS].map((number) => String(Number(number.toPrecision(4))))];
}

function formatRows(rows: readonly string[][]): string[] {
  const all = [HEADINGS, ...rows];
  const widths = HEADINGS.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '));
}
