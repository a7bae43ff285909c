import { formatColumns } from './print.ts';

export interface Stats {
  readonly images: Readonly<Record<string, number>>;
  readonly queue: { readonly pending: number; readonly inFlight: number } | null;
  /** Why nothing is looked at; null while somebody does. */
  readonly processing: { readonly message: string | null };
}

export interface Job {
  readonly name: string;
  readonly done: number;
  readonly total: number;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

interface Replica {
  readonly service: string;
  readonly name: string;
  readonly startedAt: string;
  readonly leads: readonly string[];
  readonly breaker: { readonly state: string; readonly nextAttemptInSeconds: number | null } | null;
  readonly gallery: { readonly model: string; readonly faces: number } | null;
  readonly workers: number | null;
}

export interface System {
  readonly replicas: readonly Replica[];
  readonly reasons: readonly { readonly status: string; readonly reason: string | null; readonly count: number }[];
}

export interface Status {
  readonly stats: Stats;
  readonly jobs: readonly Job[];
  readonly system: System;
}

/**
 * What goes on, for people.
 *
 * @param perSecond images that came to an end; null: not known yet
 * @param now by this machine's clock, ms
 */
export function describeStatus(
  { stats, jobs, system }: Status,
  { url, perSecond, now }: { url: string; perSecond: number | null; now: number },
): string {
  const { images, queue, processing } = stats;
  const waiting = queue
    ? `${queue.pending} wait in the queue, ${queue.inFlight} are being looked at`
    : 'the queue cannot be reached';
  const rate = perSecond === null ? '' : `, ${perSecond.toFixed(1)} images a second`;
  const leaders = new Map(system.replicas.flatMap(({ name, leads }) => leads.map((job) => [job, name])));
  return [
    `${url}: ${waiting}${rate}`,
    ...(processing.message === null ? [] : [processing.message]),
    formatColumns(['images', ''], toCounts(images)),
    ...table(
      ['without an answer', 'why', ''],
      system.reasons.map(({ status, reason, count }) => [status, reason ?? '', String(count)]),
    ),
    ...table(
      ['process', 'where', 'since', ''],
      system.replicas.map((replica) => [
        ...[replica.service, replica.name, sayAgo(replica.startedAt, now), describeReplica(replica)],
      ]),
    ),
    ...table(
      ['job', 'how far', 'run by'],
      jobs.map((job) => [job.name, describeJob(job, now), leaders.get(job.name) ?? 'nobody']),
    ),
  ].join('\n\n');
}

const toCounts = (images: Stats['images']) => Object.entries(images).map(([status, count]) => [status, String(count)]);

/** Nothing where there are no rows. */
function table(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : [formatColumns(titles, rows)];
}

function describeReplica({ breaker, gallery, workers }: Replica): string {
  const next = breaker?.nextAttemptInSeconds;
  return [
    ...(breaker && breaker.state !== 'closed'
      ? [`breaker ${breaker.state}${next ? `, next try in ${next} s` : ''}`]
      : []),
    ...(gallery ? [`${gallery.faces} references (${gallery.model})`] : []),
    ...(workers === null ? [] : [`${workers} photos at once`]),
  ].join(', ');
}

function describeJob({ done, total, startedAt, finishedAt }: Job, now: number): string {
  if (startedAt === null) return 'nothing to do so far';
  return finishedAt === null ? `${done} of ${total}` : `did something ${sayAgo(finishedAt, now)}`;
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const;

/** The server's clock may be ahead of this machine's. */
function sayAgo(at: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1_000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ['s', 1];
  return `${Math.floor(seconds / size)} ${unit} ago`;
}
