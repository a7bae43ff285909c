import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { name } from './env.ts';
import { messageOf } from './errors.ts';
import { ensureStream } from './image-stream.ts';
import type { ImageStatus } from './images.ts';
import type { Log } from './log.ts';
import { type NatsAccess, natsKeys } from './nats-access.ts';
import { keepConnected, replicaKeys } from './nats-connection.ts';
import type { BreakerState } from './processors.ts';

/** The environment keys of every service that tells or reads events. */
export const eventKeys = { ...replicaKeys, ...natsKeys, EVENTS_STREAM: name('EVENTS') };

/** What has happened: ids and status only, never names, descriptors or paths. Whoever wants more reads it. */
export type EventBody =
  | { readonly kind: 'image.accepted' | 'image.deleted'; readonly imageId: number }
  /** finished: it has an outcome; changed: the names of its faces, or its status, are others than before. */
  | { readonly kind: 'image.finished' | 'image.changed'; readonly imageId: number; readonly status: ImageStatus }
  | { readonly kind: 'person.changed' | 'person.removed'; readonly personId: number }
  | { readonly kind: 'job.progress'; readonly job: string; readonly done: number; readonly total: number }
  /** Of one of the processors; `nextAttemptAt`: ISO 8601, while it is open. */
  | { readonly kind: 'processor.breaker'; readonly state: BreakerState; readonly nextAttemptAt: string | null };

/** `at`: ISO 8601. */
export type FaceflowEvent = EventBody & { readonly at: string };

/**
 * One step of reading. `start`: reading begins after `id`. `reset`: events were lost on the way to `id` (they were older
 * than what the stream keeps, or the stream is a new one): whatever was learnt from events must be read anew.
 */
export interface EventRead {
  /**
   * The birthday of the stream, ms since 1970, plus the sequence number in it: whoever goes on after it misses nothing and
   * gets nothing twice. Ids of a stream that was lost with its disk are smaller than those of the one made after it.
   */
  readonly id: number;
  readonly event: FaceflowEvent | { readonly kind: 'start' | 'reset' };
}

export interface Events {
  /** Best effort: never waits and never fails. What is told while NATS is away is lost, and no data with it. */
  publish(event: EventBody): void;
  /**
   * Events from now on, or after an id, in order, until `signal` is aborted. It outlives outages of NATS. No more than a
   * few events are read ahead of whoever iterates.
   */
  read(options: { after?: number; signal: AbortSignal }): AsyncIterable<EventRead>;
  close(): Promise<void>;
}

const KEEP_MS = 24 * 60 * 60_000;
/** A limit of the disk that events take, beside their age: some two million of them. */
const KEEP_BYTES = 256 * 1024 * 1024;
const READ_AHEAD = 100;
const RETRY_MS = 500;

interface Session {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
}

/** Opens the stream of events, making it where it is missing. Returns at once; the connection is kept in the background. */
export function openEvents(options: {
  readonly url: string;
  readonly access?: NatsAccess;
  readonly stream: string;
  /** On how many servers of a cluster the stream is kept; 1 unless told otherwise. */
  readonly replicas?: number;
  readonly log: Log;
}): Events {
  const { stream, log, replicas = 1 } = options;
  const prefix = stream.toLowerCase();
  const reading = new Set<ConsumerMessages>();
  let session: Session | undefined;

  const kept = keepConnected({
    url: options.url,
    access: options.access,
    // That NATS is away is the queue's to say, once.
    log: log.child({}, { level: 'error' }),
    async prepare(connection) {
      const manager = await jetstreamManager(connection);
      await ensureStream(manager, stream, { ...describeEventStream(prefix), num_replicas: replicas });
      session = { connection, client: jetstream(connection), manager };
    },
    onLost() {
      session = undefined;
      for (const messages of reading) messages.stop();
    },
  });

  /** Everything after the sequence number `cursor`, until the connection is lost or `signal` aborted. */
  async function* readAfter(
    cursor: number,
    born: number,
    { client }: Session,
    signal: AbortSignal,
  ): AsyncGenerator<EventRead> {
    const consumer = await client.consumers.get(stream, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: cursor + 1,
    });
    const messages = await consumer.consume({ max_messages: READ_AHEAD });
    const stop = () => messages.stop();
    reading.add(messages);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    let last = cursor;
    try {
      for await (const message of messages) {
        // Nothing is ever deleted from the stream but by its limits, so numbers follow each other.
        if (message.seq !== last + 1) yield { id: born + message.seq - 1, event: { kind: 'reset' } };
        last = message.seq;
        yield { id: born + last, event: message.json<FaceflowEvent>() };
      }
    } finally {
      signal.removeEventListener('abort', stop);
      reading.delete(messages);
      stop();
      // It would be forgotten after five minutes.
      await consumer.delete().catch((error: unknown) => log.debug({ err: error }, 'a consumer was not deleted'));
    }
  }

  /** The same, after it has been seen whether the stream still has what follows. */
  async function* readConnected(
    after: number | undefined,
    connected: Session,
    signal: AbortSignal,
  ): AsyncGenerator<EventRead> {
    const { created, state } = await connected.manager.streams.info(stream);
    const born = Date.parse(created);
    const cursor = after === undefined ? undefined : after - born;
    const goesOn = cursor !== undefined && cursor >= state.first_seq - 1 && cursor <= state.last_seq;
    if (!goesOn) yield { id: born + state.last_seq, event: { kind: after === undefined ? 'start' : 'reset' } };
    yield* readAfter(goesOn ? cursor : state.last_seq, born, connected, signal);
  }

  return {
    publish(event) {
      try {
        const told: FaceflowEvent = { ...event, at: new Date().toISOString() };
        session?.connection.publish(`${prefix}.${event.kind}`, JSON.stringify(told));
      } catch (error) {
        log.debug({ err: error }, `an event was not told: ${messageOf(error)}`);
      }
    },

    async *read({ after, signal }) {
      let cursor = after;
      while (!signal.aborted) {
        try {
          if (session !== undefined) {
            for await (const read of readConnected(cursor, session, signal)) {
              cursor = read.id;
              yield read;
            }
          }
        } catch (error) {
          log.debug({ err: error }, `events cannot be read now: ${messageOf(error)}`);
        }
        if (!signal.aborted) await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    },

    close: () => kept.close(),
  };
}

function describeEventStream(prefix: string) {
  return {
    subjects: ['image', 'person', 'job', 'processor'].map((noun) => `${prefix}.${noun}.*`),
    retention: 'limits' as const,
    discard: 'old' as const,
    storage: 'file' as const,
    max_age: nanos(KEEP_MS),
    max_bytes: KEEP_BYTES,
  };
}
