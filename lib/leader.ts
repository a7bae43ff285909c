import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { messageOf } from './errors.ts';
import { ensureStream } from './image-stream.ts';
import type { Log } from './log.ts';
import type { NatsAccess } from './nats-access.ts';
import { keepConnected } from './nats-connection.ts';

export interface Leadership {
  /** Grows with every takeover: whoever holds the greatest one leads (lib/jobs.ts keeps the others from writing). */
  readonly fence: number;
  /** Aborted when the leadership is lost, or is to be given up. */
  readonly signal: AbortSignal;
}

export interface LeaderOptions {
  /** `nats://[token@ or user:password@]host:port[,host:port…]` */
  readonly url: string;
  readonly access?: NatsAccess | undefined;
  /** Of all candidates the same; letters, digits, `-` and `_`. */
  readonly bucket: string;
  /** How long a leader that says nothing stays leader, ms. A killed one is followed after this and half a second. */
  readonly leaseMs: number;
  /** On how many servers of a cluster the bucket is kept; 1 unless told otherwise. */
  readonly replicas?: number;
  readonly log: Log;
  /** Ends the candidacy. A leader lets go of the lease, and another one takes over at once. */
  readonly signal: AbortSignal;
  /** What a leader does; its leadership ends when this returns or throws. */
  readonly lead: (leadership: Leadership) => Promise<void>;
}

const SUBJECT_IS_TAKEN = 10071;
const KEY = 'leader';

/**
 * Takes part in the election of a leader, until `signal` is aborted; resolves when all that was led has ended.
 *
 * The lease is one key of a bucket as NATS KV lays it out (a stream that keeps one message a subject): it is written
 * only where nobody holds it (compare-and-set on the subject's last sequence number), written again before it is old, and
 * the server forgets it when it is older than `leaseMs`. A leader that cannot renew it stops by its own clock before that.
 * No clocks are compared. A process that is paused cannot stop in time: that is what the fence is for.
 */
export async function holdLeadership(options: LeaderOptions): Promise<void> {
  const { leaseMs, log, signal } = options;
  const bucket = openBucket(options);
  try {
    while (!signal.aborted) {
      const lease = await bucket.acquire();
      if (lease !== null) await leadWhileHeld(lease, options);
      await pause(Math.min(leaseMs / 4, 500), signal);
    }
  } catch (error) {
    log.error({ err: error }, `the election of a leader ended: ${messageOf(error)}`);
    throw error;
  } finally {
    await bucket.close();
  }
}

interface Lease {
  readonly fence: number;
  /** Of performance.now(): until then nobody else can hold it. */
  readonly validUntil: number;
  /** @returns false when somebody else holds the lease @throws when NATS does not answer */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

async function leadWhileHeld(lease: Lease, options: LeaderOptions): Promise<void> {
  const { log, leaseMs } = options;
  const ended = new AbortController();
  const work = new AbortController();
  const { signal } = work;
  const stopWork = () => work.abort();
  options.signal.addEventListener('abort', stopWork, { once: true });
  if (options.signal.aborted) stopWork();
  log.info({ fence: lease.fence }, 'leading');
  const renewing = renewUntilEnded(lease, leaseMs, ended.signal, log).finally(stopWork);
  try {
    await options.lead({ fence: lease.fence, signal });
  } catch (error) {
    if (!signal.aborted) log.error({ err: error }, `giving the lead away: ${messageOf(error)}`);
  } finally {
    ended.abort();
    await renewing;
    options.signal.removeEventListener('abort', stopWork);
    // Of a lease that has run out, or is somebody else's, nothing is left to delete.
    await lease.release().catch((error: unknown) => log.debug({ err: error }, 'the lease runs out by itself'));
  }
  log.info({ fence: lease.fence }, 'not leading any more');
}

/** Resolves when the lease has been lost, or `signal` is aborted. */
async function renewUntilEnded(lease: Lease, leaseMs: number, signal: AbortSignal, log: Log): Promise<void> {
  while (!signal.aborted) {
    const left = lease.validUntil - performance.now();
    if (left <= 0) return log.warn('the lead is lost: the lease could not be renewed');
    await pause(Math.min(leaseMs / 4, left), signal);
    if (signal.aborted) return;
    try {
      if (!(await lease.renew())) return log.warn('the lead is lost: somebody else has it');
    } catch (error) {
      log.debug({ err: error }, `the lease was not renewed: ${messageOf(error)}`);
    }
  }
}

interface Bucket {
  /** @returns null when somebody else leads, or NATS does not answer */
  acquire(): Promise<Lease | null>;
  close(): Promise<void>;
}

interface Session {
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  /** When the bucket was made, ms. */
  readonly madeAt: number;
}

function openBucket({ url, access, bucket, leaseMs, replicas = 1, log }: LeaderOptions): Bucket {
  const stream = `KV_${bucket}`;
  const subject = `$KV.${bucket}.${KEY}`;
  const holder = randomUUID();
  let session: Session | undefined;

  const kept = keepConnected({
    url,
    access,
    // That NATS is away is the queue's to say, once.
    log: log.child({}, { level: 'error' }),
    async prepare(connection) {
      const manager = await jetstreamManager(connection);
      const madeAt = await ensureBucket(manager, { stream, subject, leaseMs, replicas });
      session = { client: jetstream(connection), manager, madeAt };
    },
    onLost() {
      session = undefined;
    },
  });

  function connected(): Session {
    if (session === undefined) throw new Error('There is no connection to NATS.');
    return session;
  }

  /** @returns null when the key's last message has another sequence number (0: there is none) */
  async function write(lastSubjectSequence: number): Promise<{ seq: number; validUntil: number } | null> {
    const validUntil = performance.now() + leaseMs;
    try {
      const expect = { lastSubjectSequence };
      const { seq } = await connected().client.publish(subject, holder, { expect, timeout: leaseMs / 4 });
      return { seq, validUntil };
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === SUBJECT_IS_TAKEN) return null;
      throw error;
    }
  }

  function holdLease(madeAt: number, written: { seq: number; validUntil: number }): Lease {
    let { seq, validUntil } = written;
    return {
      // The bucket's sequence numbers start anew when the server has lost its disk; its birthday makes up for them.
      fence: madeAt + seq,
      get validUntil() {
        return validUntil;
      },
      async renew() {
        const renewed = await write(seq);
        if (renewed !== null) ({ seq, validUntil } = renewed);
        return renewed !== null;
      },
      async release() {
        await connected().manager.streams.deleteMessage(stream, seq);
      },
    };
  }

  return {
    async acquire() {
      try {
        const { madeAt } = connected();
        const written = await write(0);
        return written === null ? null : holdLease(madeAt, written);
      } catch (error) {
        log.debug({ err: error }, `no lead: ${messageOf(error)}`);
        return null;
      }
    },
    close: () => kept.close(),
  };
}

/** @returns when the bucket was made, ms of the epoch */
async function ensureBucket(
  manager: JetStreamManager,
  { stream, subject, leaseMs, replicas }: { stream: string; subject: string; leaseMs: number; replicas: number },
): Promise<number> {
  const config = {
    subjects: [subject],
    storage: 'file' as const,
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    max_age: nanos(leaseMs),
    duplicate_window: nanos(Math.min(leaseMs, 120_000)),
  };
  await ensureStream(manager, stream, config);
  let info = await manager.streams.info(stream);
  if (info.config.max_age !== config.max_age) info = await manager.streams.update(stream, config);
  return Date.parse(info.created);
}

/** Ends early when `signal` is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
