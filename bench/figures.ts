/** One measured number; with a goal where an issue names one. */
export interface Figure {
  readonly value: number;
  /** `x` for ratios, `ms`, `MB`, `images/s`. */
  readonly unit: string;
  readonly goal?: number;
  readonly better?: 'higher' | 'lower';
  readonly ok?: boolean;
}

export type Figures = Record<string, Figure>;

/** How much is measured: less is quicker and less sure. */
export interface Extent {
  readonly images: number;
  /** Times that the sides of a comparison take turns; medians of turns are reported. */
  readonly turns: number;
}

/** What a benchmark module exports as `benchmark`. */
export interface Benchmark {
  /** npm packages whose versions belong to the result. */
  readonly packages: readonly string[];
  /** What `--images` and `--turns` are unless they are given; absent where they mean nothing. */
  readonly defaults?: Extent;
  /**
   * @param extent the benchmark's defaults, or what was asked for
   * @param say tells the person at the terminal what is going on
   * @throws when it cannot measure; a missed goal is no reason
   */
  measure(say: (line: string) => void, extent: Extent): Promise<Figures>;
}

/** A figure that an issue sets a goal for. */
export function withGoal(value: number, unit: string, better: 'higher' | 'lower', goal: number): Figure {
  return { value: round(value), unit, goal, better, ok: better === 'higher' ? value >= goal : value <= goal };
}

export function plain(value: number, unit: string): Figure {
  return { value: round(value), unit };
}

/** @throws Error when there is nothing to take the median of */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error('Nothing was measured.');
  return sorted.length % 2 === 1 ? middle : (middle + (sorted[sorted.length / 2 - 1] ?? middle)) / 2;
}

/** @param share 0..1: 0.99 is what 99 of 100 values do not exceed (nearest rank) */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error('Nothing was measured.');
  return value;
}

export function formatTable(figures: Figures): string {
  const rows = Object.entries(figures).map(([name, { value, unit, goal, better, ok }]) => [
    name,
    `${value} ${unit}`,
    goal === undefined ? '' : `${better === 'higher' ? '≥' : '≤'} ${goal} ${unit}`,
    ok === undefined ? '' : ok ? 'reached' : 'MISSED',
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, column) => (column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0))),
    )
    .map((row) => row.join('  ').trimEnd())
    .join('\n');
}

const round = (value: number) => Number(value.toPrecision(4));
