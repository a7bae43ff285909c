import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Consumer,
  type ConsumerMessages,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { name } from './env.ts';
import {
  anySubject,
  ensureImageStream,
  findMessageFrom,
  removeLeftovers,
  removeStaleConsumers,
  type StreamOptions,
  subjectOf,
  type WorkKind,
} from './image-stream.ts';
import type { Log } from './log.ts';
import { type NatsAccess, natsKeys } from './nats-access.ts';
import { keepConnected, replicaKeys } from './nats-connection.ts';
import { tracePublishing } from './trace-messages.ts';
import type { ReadHeader, TraceHeaders } from './traceparent.ts';

/** The environment keys of every service that uses the queue. */
export const queueKeys = {
  ...replicaKeys,
  ...natsKeys,
  IMAGES_STREAM: name('IMAGES'),
  IMAGES_CONSUMER: name('processor'),
};

export interface QueueOptions extends StreamOptions {
  /** `nats://[token@ or user:password@]host:port[,host:port…]` */
  readonly url: string;
  readonly access?: NatsAccess;
  readonly log: Log;
}

/**
 * The lease on one image, or on one enrolment: whoever holds it must end it by `done` or `retryIn`, or it runs out after
 * 30 s.
 */
export interface Lease {
  readonly kind: WorkKind;
  /** Of the image, or of the enrolment. */
  readonly id: number;
  /** How often the image has been handed out, this time included. */
  readonly deliveries: number;
  /** When the queue took it, by the queue's clock. */
  readonly enqueuedAt: Date;
  /** For the trace that it belongs to. */
  readonly message: { readonly subject: string; readonly header: ReadHeader };
  /** The outcome is written: the queue may forget the image. */
  done(): void;
  /** Hand it back, to be handed out again after `delayMs`. */
  retryIn(delayMs: number): void;
  /** Still at work: the lease starts anew. */
  extend(): void;
}

export interface Backlog {
  /** Waiting to be handed out. */
  readonly pending: number;
  /** Handed out, not yet ended. */
  readonly inFlight: number;
}

export interface ImageQueue {
  /**
   * Publishes ids, of images unless told otherwise, and waits until the stream has stored each. Publishing an id twice is
   * harmless: the stream drops repeats of the last two minutes, and a worker finds the outcome already written.
   *
   * @param attempts of those that have been put back to pending: how often, so that they are no repeats
   * @returns the ids that were stored; the others may or may not have been
   * @throws when there is no connection: nothing was stored
   */
  enqueue(ids: readonly number[], kind?: WorkKind, attempts?: ReadonlyMap<number, number>): Promise<number[]>;
  /**
   * Waits for the next image. At most one is handed out a call, so that several workers with a call outstanding share
   * the work fairly.
   *
   * @returns null when there was none for a while or `signal` was aborted; one that was on its way then is still returned
   */
  next(signal: AbortSignal): Promise<Lease | null>;
  backlog(): Promise<Backlog>;
  /** When the image that is handed out next was enqueued; now, when none waits. What is older is in flight, or lost. */
  oldestWaiting(): Promise<Date>;
  /** How many servers keep the stream, and how many more should but are away or still catching up. */
  replicas(): Promise<{ current: number; behind: number }>;
  /** Tells this stream from another one of the same name: a server that has lost its disk makes it anew. */
  streamBirthday(): Promise<string>;
  /** Removes what others have left behind in the stream, as far as nobody needs it any more. */
  tidy(options: { idleMs: number }): Promise<{ consumers: string[]; messages: number }>;
  /** Throws when nothing can be enqueued or handed out now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const PULL_MS = 20_000;
/** How long a pull that is to end may still be answered. */
const LAST_MESSAGE_MS = 200;
/** Whoever posts a photo waits no longer where NATS hangs: its row is there, and the sweep publishes it later. */
const PUBLISH_TIMEOUT_MS = 2_000;
const PUBLISH_WINDOW = 500;
const NONE: ReadonlyMap<number, number> = new Map();

interface Session {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly consumer: Consumer;
}

/**
 * Opens the work queue of images (a JetStream stream with one durable pull consumer), making both where they are
 * missing. Returns at once: the connection is made, kept and made again in the background, for ever.
 */
export function openImageQueue(options: QueueOptions): ImageQueue {
  const { log } = options;
  const pulls = new Set<ConsumerMessages>();
  let session: Session | undefined;
  // There before the session is: what keeps the consumer from being made can be tidied away.
  let manager: JetStreamManager | undefined;

  const kept = keepConnected({
    url: options.url,
    access: options.access,
    log: options.log,
    async prepare(connection) {
      manager = await jetstreamManager(connection);
      await ensureImageStream(manager, options);
      const client = jetstream(connection);
      const consumer = await client.consumers.get(options.stream, options.consumer);
      session = { connection, client, manager, consumer };
    },
    onLost() {
      session = undefined;
      manager = undefined;
      for (const pull of pulls) pull.stop();
    },
  });

  function connected(): Session {
    if (session === undefined) throw new Error('There is no connection to NATS.');
    return session;
  }

  async function publishAll(
    ids: readonly number[],
    as: { kind: WorkKind; subject: string; attempts: ReadonlyMap<number, number>; traced: TraceHeaders },
  ): Promise<number[]> {
    const { client } = connected();
    const stored: number[] = [];
    for (let start = 0; start < ids.length; start += PUBLISH_WINDOW) {
      const publishing = ids.slice(start, start + PUBLISH_WINDOW).map(async (id) => {
        const msgID = messageId(as.kind, id, as.attempts.get(id) ?? 0);
        const given = { msgID, timeout: PUBLISH_TIMEOUT_MS, headers: toHeaders(as.traced) };
        await client.publish(as.subject, String(id), given);
        stored.push(id);
      });
      const failures = (await Promise.allSettled(publishing)).filter((result) => result.status === 'rejected');
      if (failures[0] !== undefined) {
        log.warn({ err: failures[0].reason, count: failures.length }, 'ids were not taken by the queue');
        break;
      }
    }
    return stored;
  }

  return {
    enqueue(ids, kind = 'identify', attempts = NONE) {
      const subject = subjectOf(options, kind);
      return tracePublishing(subject, ids.length, (traced) => publishAll(ids, { kind, subject, attempts, traced }));
    },

    async next(signal) {
      const { consumer } = connected();
      if (signal.aborted) return null;
      const messages = await consumer.fetch({ max_messages: 1, expires: PULL_MS });
      let ended: Promise<void> | undefined;
      const end = () => {
        ended = endPull(messages);
      };
      pulls.add(messages);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
      try {
        for await (const message of messages) {
          const lease = leaseOf(message);
          // Handed back before, it would come to the next of our own pulls that end.
          await ended;
          if (lease !== null) return lease;
          log.error({ data: message.string().slice(0, 100) }, 'a message that is no id was removed');
          // Without a reason: servers before 2.10 do not understand one.
          message.term();
        }
        return null;
      } finally {
        signal.removeEventListener('abort', end);
        pulls.delete(messages);
      }
    },

    async backlog() {
      const info = await connected().manager.consumers.info(options.stream, options.consumer);
      return { pending: info.num_pending, inFlight: info.num_ack_pending };
    },

    async oldestWaiting() {
      const { manager } = connected();
      const { delivered, num_pending } = await manager.consumers.info(options.stream, options.consumer);
      if (num_pending === 0) return new Date();
      const next = await findMessageFrom(manager, options.stream, delivered.stream_seq + 1, anySubject(options));
      return next?.time ?? new Date();
    },

    async replicas() {
      const { cluster } = await connected().manager.streams.info(options.stream);
      const others = cluster?.replicas ?? [];
      const behind = others.filter(({ current, offline }) => offline || !current).length;
      return { current: 1 + others.length - behind, behind };
    },

    async streamBirthday() {
      return (await connected().manager.streams.info(options.stream)).created;
    },

    async tidy({ idleMs }) {
      if (manager === undefined) throw new Error('There is no connection to NATS.');
      const consumers = await removeStaleConsumers(manager, options, idleMs);
      return { consumers, messages: await removeLeftovers(manager, options) };
    },

    async ping() {
      await connected().connection.flush();
    },

    close: () => kept.close(),
  };
}

/**
 * Ends a pull without losing what is handed out meanwhile, which would be in nobody's hands until its lease has run out.
 *
 * A server forgets a pull when nobody listens for its answer any more. What it has handed out by then may still be on its way
 * in the server (2.9), and is dropped: so at first nothing is said, until what waits in the queue has come; and then it is
 * listened to until the server has heard that we do not. nats.js ends the pull when its subscription is drained, but keeps
 * that to itself (jetstream 3.4).
 */
async function endPull(messages: ConsumerMessages): Promise<void> {
  await sleep(LAST_MESSAGE_MS);
  const { sub } = messages as unknown as { sub: Subscription };
  // It has ended by itself, or there is no connection.
  await sub.drain().catch(() => messages.stop());
}

/** The version before knows no attempts: the first one has no number. */
function messageId(kind: WorkKind, id: number, attempt: number): string {
  const first = `${kind === 'identify' ? 'image' : 'enrolment'}-${id}`;
  return attempt === 0 ? first : `${first}-${attempt}`;
}

/** Of each message its own: the client adds to it. */
function toHeaders(given: TraceHeaders): MsgHdrs {
  const own = headers();
  for (const [name, value] of Object.entries(given)) own.set(name, value);
  return own;
}

function leaseOf(message: JsMsg): Lease | null {
  const id = /^\d{1,15}$/.test(message.string()) ? Number(message.string()) : null;
  if (id === null) return null;
  return {
    kind: message.subject.endsWith('.enrol') ? 'enrol' : 'identify',
    id,
    deliveries: message.info.deliveryCount,
    enqueuedAt: message.time,
    message: { subject: message.subject, header: (name) => message.headers?.get(name) || undefined },
    done: () => message.ack(),
    retryIn: (delayMs) => message.nak(delayMs),
    extend: () => message.working(),
  };
}
