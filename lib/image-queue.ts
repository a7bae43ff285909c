import {
  type Consumer,
  type ConsumerMessages,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { type ConnectionOptions, connect, type NatsConnection, nanos } from '@nats-io/transport-node';
import { name, natsUrl } from './env.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';

/** The environment keys of every service that uses the queue. */
export const queueKeys = { NATS_URL: natsUrl(), IMAGES_STREAM: name('IMAGES'), IMAGES_CONSUMER: name('processor') };

export interface QueueOptions {
  /** `nats://[token@ or user:password@]host:port[,host:port…]` */
  readonly url: string;
  readonly stream: string;
  readonly consumer: string;
  readonly log: Log;
}

/** The lease on one image: whoever holds it must end it by `done` or `retryIn`, or it runs out after 30 s. */
export interface Lease {
  /** Of the image. */
  readonly id: number;
  /** How often the image has been handed out, this time included. */
  readonly deliveries: number;
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
   * Publishes ids and waits until the stream has stored each. Publishing an id twice is harmless: the stream drops
   * repeats of the last two minutes, and a worker finds the outcome already written.
   *
   * @returns the ids that were stored; the others may or may not have been
   * @throws when there is no connection: nothing was stored
   */
  enqueue(ids: readonly number[]): Promise<number[]>;
  /**
   * Waits for the next image. At most one is handed out a call, so that several workers with a call outstanding share
   * the work fairly.
   *
   * @returns null when there was none for a while or `signal` was aborted
   */
  next(signal: AbortSignal): Promise<Lease | null>;
  backlog(): Promise<Backlog>;
  /** When the image that is handed out next was enqueued; now, when none waits. What is older is in flight, or lost. */
  oldestWaiting(): Promise<Date>;
  /** Throws when nothing can be enqueued or handed out now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** How long a worker may keep an image without a word before another one gets it. */
export const LEASE_MS = 30_000;
const PULL_MS = 20_000;
const PUBLISH_TIMEOUT_MS = 5_000;
const PUBLISH_WINDOW = 500;
const DEDUPLICATION_MS = 120_000;
const RETRY_CONNECT_MS = 1_000;

interface Session {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  consumer: Consumer;
}

/**
 * Opens the work queue of images (a JetStream stream with one durable pull consumer), making both where they are
 * missing. Returns at once: the connection is made, kept and made again in the background, for ever.
 */
export function openImageQueue(options: QueueOptions): ImageQueue {
  const { log } = options;
  const subject = `${options.stream.toLowerCase()}.identify`;
  const closing = new AbortController();
  const pulls = new Set<ConsumerMessages>();
  let session: Session | undefined;

  void keepConnected();

  async function keepConnected() {
    while (!closing.signal.aborted) {
      try {
        const connection = await connect(connectionOptions(options.url));
        await watch(connection);
        if (!closing.signal.aborted) log.warn('the connection to NATS was closed; making a new one');
      } catch (error) {
        if (!closing.signal.aborted) log.warn({ err: error }, `no connection to NATS: ${messageOf(error)}`);
      }
      session = undefined;
      await sleep(RETRY_CONNECT_MS, closing.signal);
    }
  }

  /** Serves one connection until it is closed. */
  async function watch(connection: NatsConnection) {
    if (closing.signal.aborted) return connection.close();
    closing.signal.addEventListener('abort', () => void connection.close(), { once: true });
    const statuses = connection.status();
    await prepare(connection);
    for await (const status of statuses) {
      if (status.type === 'disconnect') {
        session = undefined;
        log.warn('NATS is gone; waiting for it');
        // Their answers will never come on the new connection.
        for (const pull of pulls) pull.stop();
      } else if (status.type === 'reconnect') {
        log.info('NATS is back');
        await prepare(connection);
      }
    }
  }

  /** Makes what is missing: a server that came back may have lost its disk. */
  async function prepare(connection: NatsConnection) {
    while (!closing.signal.aborted && !connection.isClosed()) {
      try {
        const manager = await jetstreamManager(connection);
        await ensureStream(manager, options.stream, subject);
        await ensureConsumer(manager, options, subject);
        const client = jetstream(connection);
        session = {
          connection,
          client,
          manager,
          consumer: await client.consumers.get(options.stream, options.consumer),
        };
        return;
      } catch (error) {
        log.warn({ err: error }, `the queue cannot be used yet: ${messageOf(error)}`);
        await sleep(RETRY_CONNECT_MS, closing.signal);
      }
    }
  }

  function connected(): Session {
    if (session === undefined) throw new Error('There is no connection to NATS.');
    return session;
  }

  return {
    async enqueue(ids) {
      const { client } = connected();
      const stored: number[] = [];
      for (let start = 0; start < ids.length; start += PUBLISH_WINDOW) {
        const publishing = ids.slice(start, start + PUBLISH_WINDOW).map(async (id) => {
          await client.publish(subject, String(id), { msgID: `image-${id}`, timeout: PUBLISH_TIMEOUT_MS });
          stored.push(id);
        });
        const failures = (await Promise.allSettled(publishing)).filter((result) => result.status === 'rejected');
        if (failures[0] !== undefined) {
          log.warn({ err: failures[0].reason, count: failures.length }, 'ids were not taken by the queue');
          break;
        }
      }
      return stored;
    },

    async next(signal) {
      const { consumer } = connected();
      const messages = await consumer.fetch({ max_messages: 1, expires: PULL_MS });
      const stop = () => messages.stop();
      pulls.add(messages);
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      try {
        for await (const message of messages) {
          const lease = leaseOf(message);
          if (lease !== null) return lease;
          log.error({ data: message.string().slice(0, 100) }, 'a message that is no image id was removed');
          // Without a reason: servers before 2.10 do not understand one.
          message.term();
        }
        return null;
      } finally {
        signal.removeEventListener('abort', stop);
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
      const next = await findMessageFrom(manager, options.stream, delivered.stream_seq + 1, subject);
      return next?.time ?? new Date();
    },

    async ping() {
      await connected().connection.flush();
    },

    async close() {
      const open = session?.connection;
      session = undefined;
      // Acknowledgements that are still in the buffer go out first.
      await open?.flush().catch((error: unknown) => log.debug({ err: error }, 'NATS went before the last flush'));
      closing.abort();
      await open?.closed();
    },
  };
}

function leaseOf(message: JsMsg): Lease | null {
  const id = /^\d{1,15}$/.test(message.string()) ? Number(message.string()) : null;
  if (id === null) return null;
  return {
    id,
    deliveries: message.info.deliveryCount,
    done: () => message.ack(),
    retryIn: (delayMs) => message.nak(delayMs),
    extend: () => message.working(),
  };
}

async function ensureStream(manager: JetStreamManager, stream: string, subject: string): Promise<void> {
  const config = {
    name: stream,
    subjects: [subject, subject.replace(/identify$/, 'enrol')],
    retention: 'workqueue' as const,
    storage: 'file' as const,
    duplicate_window: nanos(DEDUPLICATION_MS),
  };
  // Adding what is there already, unchanged, is no error.
  if (!(await exists(manager.streams.info(stream)))) await manager.streams.add(config);
}

async function ensureConsumer(manager: JetStreamManager, options: QueueOptions, subject: string): Promise<void> {
  const { stream, consumer } = options;
  if (!(await exists(manager.consumers.info(stream, consumer)))) {
    await manager.consumers.add(stream, {
      durable_name: consumer,
      ack_policy: 'explicit',
      ack_wait: nanos(LEASE_MS),
      // The worker counts deliveries and records a failure; the server must not silently stop handing out.
      max_deliver: -1,
      filter_subject: subject,
    });
  }
  await removeLeftovers(manager, options, subject);
}

/**
 * A killed server (seen with 2.9) can keep acknowledged messages in a work queue for ever. They are deleted one by one: a
 * purge with a filter would make a 2.9 server forget every message that is in flight.
 */
async function removeLeftovers(manager: JetStreamManager, options: QueueOptions, subject: string): Promise<void> {
  const { stream, consumer } = options;
  const floor = (await manager.consumers.info(stream, consumer)).ack_floor.stream_seq;
  let seq = (await manager.streams.info(stream)).state.first_seq;
  while (seq <= floor) {
    const message = await findMessageFrom(manager, stream, seq, subject);
    if (message === null || message.seq > floor) return;
    await manager.streams.deleteMessage(stream, message.seq);
    seq = message.seq + 1;
  }
}

/** The first message of the subject at or after a sequence number; null when there is none. */
function findMessageFrom(manager: JetStreamManager, stream: string, seq: number, subject: string) {
  // The server knows next_by_subj since 2.9; the client's type for this request does not.
  const request = { seq, next_by_subj: subject };
  return manager.streams.getMessage(stream, request);
}

async function exists(info: Promise<unknown>): Promise<boolean> {
  try {
    await info;
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return false;
    throw error;
  }
}

function connectionOptions(url: string): ConnectionOptions {
  const { username, password } = new URL(url.split(',')[0] ?? url);
  const servers = url.split(',').map((one) => one.replace(/^(nats|tls):\/\/([^@]*@)?/, ''));
  const credentials = password
    ? { user: decodeURIComponent(username), pass: decodeURIComponent(password) }
    : username
      ? { token: decodeURIComponent(username) }
      : {};
  return {
    servers,
    ...credentials,
    ...(url.startsWith('tls:') ? { tls: {} } : {}),
    timeout: 3_000,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    pingInterval: 10_000,
  };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
