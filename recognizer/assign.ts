export interface AssignmentRow {
  /** What it costs to give the row no column. */
  readonly leave: number;
  /** The columns that it may be given, each once; any numbers name them. What is not listed is impossible. */
  readonly edges: readonly { readonly column: number; readonly cost: number }[];
}

interface State {
  readonly rows: readonly AssignmentRow[];
  readonly columnOf: (number | null)[];
  readonly rowOf: Map<number, number>;
  /** Of columns, 0 where none is set: what they cost less, so that every cost along a path is 0 or more. */
  readonly potential: Map<number, number>;
}

/** How a column was reached: over which row, and at what cost from the start. */
type Reached = ReadonlyMap<number, { readonly row: number; readonly cost: number }>;

interface Path {
  /** The last row on it takes the column, or none; each row before takes the column of the next. */
  readonly row: number;
  readonly column: number | null;
  readonly cost: number;
  /** The columns that change hands, or might have. */
  readonly passed: Reached;
}

/**
 * Gives each row one of its columns, or none, and each column to one row at most, at the least possible sum of costs.
 * Exact, by successive shortest augmenting paths over the listed pairs only (Jonker and Volgenant, "A shortest augmenting
 * path algorithm for dense and sparse linear assignment problems", Computing 38, 1987).
 *
 * @param rows costs are 0 or more
 * @returns the column of each row, null for none
 */
export function assign(rows: readonly AssignmentRow[]): (number | null)[] {
  const state = { rows, columnOf: rows.map(() => null), rowOf: new Map(), potential: new Map() };
  for (const start of rows.keys()) handOn(state, findCheapestPath(state, start));
  return state.columnOf;
}

/** Dijkstra's search from a row that has no column yet to a free column, or to a row that is best left without. */
function findCheapestPath({ rows, rowOf, potential }: State, start: number): Path {
  const reached = new Map<number, { row: number; cost: number }>();
  const passed = new Map<number, { row: number; cost: number }>();
  let leaving: Path = { row: start, column: null, cost: Number.POSITIVE_INFINITY, passed };
  for (let row = start, cost = 0, own = 0; ; ) {
    const { leave, edges } = rows[row] as AssignmentRow;
    if (cost + leave - own < leaving.cost) leaving = { row, column: null, cost: cost + leave - own, passed };
    for (const edge of edges) {
      const sum = cost + edge.cost - (potential.get(edge.column) ?? 0) - own;
      if (passed.has(edge.column) || sum >= (reached.get(edge.column)?.cost ?? Number.POSITIVE_INFINITY)) continue;
      reached.set(edge.column, { row, cost: sum });
    }
    const next = cheapestOf(reached);
    if (next === null || next.cost >= leaving.cost) return leaving;
    const holder = rowOf.get(next.column);
    if (holder === undefined) return { ...next, passed };
    reached.delete(next.column);
    passed.set(next.column, next);
    const held = rows[holder]?.edges.find(({ column }) => column === next.column);
    own = (held?.cost ?? 0) - (potential.get(next.column) ?? 0);
    [row, cost] = [holder, next.cost];
  }
}

function cheapestOf(reached: Reached): { row: number; column: number; cost: number } | null {
  let cheapest: { row: number; column: number; cost: number } | null = null;
  for (const [column, { row, cost }] of reached) {
    if (cheapest === null || cost < cheapest.cost) cheapest = { row, column, cost };
  }
  return cheapest;
}

function handOn({ columnOf, rowOf, potential }: State, path: Path): void {
  for (const [column, { cost }] of path.passed) {
    potential.set(column, (potential.get(column) ?? 0) + cost - path.cost);
  }
  let { row, column }: { row: number; column: number | null } = path;
  for (;;) {
    const before = columnOf[row] ?? null;
    columnOf[row] = column;
    if (column !== null) rowOf.set(column, row);
    // Only the first row on the path had no column to hand on.
    if (before === null) return;
    [row, column] = [path.passed.get(before)?.row ?? row, before];
  }
}
