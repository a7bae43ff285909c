import { describe, expect, test } from 'vitest';
import { type AssignmentRow, assign } from './assign.ts';

/** Numbers 0..1 that are the same in every run (Park and Miller's minimal standard generator). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** The least sum of costs, over every set of columns that may be taken (at most 30 columns). */
function leastCost(rows: readonly AssignmentRow[]): number {
  let least = new Map([[0, 0]]);
  for (const { leave, edges } of rows) {
    const next = new Map<number, number>();
    const offer = (taken: number, cost: number) =>
      next.set(taken, Math.min(cost, next.get(taken) ?? Number.POSITIVE_INFINITY));
    for (const [taken, cost] of least) {
      offer(taken, cost + leave);
      for (const edge of edges)
        if ((taken & (1 << edge.column)) === 0) offer(taken | (1 << edge.column), cost + edge.cost);
    }
    least = next;
  }
  return Math.min(...least.values());
}

function costOf(rows: readonly AssignmentRow[], columns: readonly (number | null)[]): number {
  return rows.reduce((sum, { leave, edges }, index) => {
    const given = columns[index];
    return sum + (given === null ? leave : (edges.find(({ column }) => column === given)?.cost ?? Number.NaN));
  }, 0);
}

function randomRows(random: () => number, rows: number, columns: number, density: number): AssignmentRow[] {
  return Array.from({ length: rows }, () => {
    const leave = 0.4 + random() * 0.3;
    const all = Array.from({ length: columns }, (_, column) => ({ column, cost: random() * 0.7 }));
    return { leave, edges: all.filter(() => random() < density) };
  });
}

describe('an assignment', () => {
  test('costs as little as any other that there is', () => {
    const random = seededRandom(1);
    for (let round = 0; round < 200; round++) {
      const rows = randomRows(random, Math.floor(random() * 12), 1 + Math.floor(random() * 9), random());
      const columns = assign(rows);
      const given = columns.filter((column) => column !== null);
      expect(new Set(given).size).toBe(given.length);
      expect(costOf(rows, columns)).toBeCloseTo(leastCost(rows), 12);
    }
  });

  test('of costs that are often equal is as good', () => {
    const random = seededRandom(2);
    for (let round = 0; round < 100; round++) {
      const rows = randomRows(random, 9, 8, 0.7).map(({ edges }) => ({
        leave: 2,
        edges: edges.map(({ column, cost }) => ({ column, cost: Math.floor(cost * 5) })),
      }));
      expect(costOf(rows, assign(rows))).toBe(leastCost(rows));
    }
  });

  test('of nothing is nothing; without edges every row is left', () => {
    expect(assign([])).toEqual([]);
    expect(assign([{ leave: 1, edges: [] }])).toEqual([null]);
  });

  // Whoever tried all of them would not come to an end.
  test('of 100 rows with 100 of 1,000 columns each gives no column twice', () => {
    const taken = assign(randomRows(seededRandom(3), 100, 1000, 0.1)).filter((column) => column !== null);
    expect(taken.length).toBeGreaterThan(50);
    expect(new Set(taken).size).toBe(taken.length);
  });
});
