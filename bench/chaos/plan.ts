import { createSeededRandom } from '../../cli/eval/seeded-random.ts';
import { LINK_FAULTS } from './tcp-proxy.ts';

export const FAULT_KINDS = ['kill', 'pause', 'link', 'disk', 'clock'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One thing that goes wrong for a while. */
export interface Fault {
  /** ms after the load has begun. */
  readonly atMs: number;
  /** How long it lasts, ms; 0 for a kill: whoever watches the process starts it again. */
  readonly ms: number;
  readonly kind: FaultKind;
  /** Name of a process, or of a link between two. */
  readonly target: string;
  /** The signal, what the link does, or how far off the clock is. */
  readonly how: string;
}

/** What can go wrong in a system. */
export interface Ground {
  readonly processes: readonly string[];
  readonly links: readonly string[];
  /** Services that can be started with another clock; none where libfaketime cannot be had. */
  readonly clocks: readonly string[];
  /** Targets of which never two may be hit at once, as a cluster outlives the loss of one: each as the start of their names. */
  readonly clusters: readonly string[];
  /** Disks that can be filled; none where no small file system can be made. */
  readonly disks: readonly string[];
}

/** Each kind's turn: links have the most ways to fail. A kind that the ground does not have is passed over. */
const TURNS: readonly FaultKind[] = ['kill', 'link', 'pause', 'link', 'disk', 'kill', 'link', 'clock', 'pause', 'link'];
const CLOCKS_OFF = ['+2h', '-2h', '+400d'];
const [SHORTEST_MS, LONGEST_MS] = [1_000, 8_000];
const [SHORTEST_GAP_MS, LONGEST_GAP_MS] = [1_500, 5_500];
/** Nothing is hit again before it has had a moment of health. */
const REST_MS = 1_000;
/** A server that comes back to its cluster is a part of it only after a while. */
const REJOIN_MS = 12_000;

/**
 * Draws faults that overlap in time, but never two on one target. The same seed, count and ground give the same plan; what
 * the system makes of it depends on the machine.
 */
export function planFaults(
  seed: number,
  count: number,
  ground: Ground,
  kinds: readonly FaultKind[] = FAULT_KINDS,
): Fault[] {
  const random = createSeededRandom(seed);
  const between = (low: number, high: number) => Math.round(low + random() * (high - low));
  const turns = TURNS.filter((kind) => kinds.includes(kind) && optionsOf(kind, ground).length > 0);
  if (turns.length === 0) return [];
  const decks = new Map<FaultKind, Option[]>();
  const busyUntil = new Map<string, number>();
  const faults: Fault[] = [];
  let atMs = between(SHORTEST_GAP_MS, LONGEST_GAP_MS);
  for (let index = 0; index < count; index++) {
    const kind = turns[index % turns.length] as FaultKind;
    const deck = decks.get(kind) ?? [];
    if (deck.length === 0) deck.push(...shuffle(optionsOf(kind, ground), random));
    decks.set(kind, deck);
    const { target, how } = deck.pop() as Option;
    const cluster = ground.clusters.find((name) => target.startsWith(name));
    const group = cluster ?? target;
    const start = Math.max(atMs, (busyUntil.get(group) ?? 0) + REST_MS);
    const ms = kind === 'kill' ? 0 : between(SHORTEST_MS, LONGEST_MS);
    faults.push({ atMs: start, ms, kind, target, how });
    busyUntil.set(group, start + ms + (cluster === undefined ? 0 : REJOIN_MS));
    atMs += between(SHORTEST_GAP_MS, LONGEST_GAP_MS);
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

interface Option {
  readonly target: string;
  readonly how: string;
}

function optionsOf(kind: FaultKind, ground: Ground): Option[] {
  const combine = (targets: readonly string[], hows: readonly string[]) =>
    targets.flatMap((target) => hows.map((how) => ({ target, how })));
  switch (kind) {
    case 'kill':
      return combine(ground.processes, ['SIGKILL']);
    case 'pause':
      return combine(ground.processes, ['SIGSTOP']);
    case 'link':
      return combine(ground.links, LINK_FAULTS);
    case 'disk':
      return combine(ground.disks, ['full']);
    case 'clock':
      return combine(ground.clocks, CLOCKS_OFF);
  }
}

/** Fisher and Yates. */
function shuffle<Item>(items: readonly Item[], random: () => number): Item[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other] as Item, shuffled[last] as Item];
  }
  return shuffled;
}
