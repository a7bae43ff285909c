import { JetStreamApiError, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

export interface StreamNames {
  readonly stream: string;
  readonly consumer: string;
}

export interface StreamOptions extends StreamNames {
  /** On how many servers of a cluster the stream is kept; 1 unless told otherwise. */
  readonly replicas?: number;
}

/** How long a worker may keep an image without a word before another one gets it. */
export const LEASE_MS = 30_000;
const DEDUPLICATION_MS = 120_000;

/** What is to be done: an image's faces to be identified, or a photo of a known person to be enrolled. */
export const WORK_KINDS = ['identify', 'enrol'] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

/** Where ids of images, or of enrolments, are published. */
export function subjectOf({ stream }: Pick<StreamNames, 'stream'>, kind: WorkKind): string {
  return `${stream.toLowerCase()}.${kind}`;
}

/** All of them. */
export function anySubject({ stream }: Pick<StreamNames, 'stream'>): string {
  return `${stream.toLowerCase()}.*`;
}

/** Makes the work queue and its durable consumer where they are missing, and clears away what a killed server left. */
export async function ensureImageStream(manager: JetStreamManager, options: StreamOptions): Promise<void> {
  await ensureStream(manager, options.stream, {
    ...describeStream(options),
    num_replicas: options.replicas ?? 1,
  });
  await ensureConsumer(manager, options, anySubject(options));
}

/**
 * Makes a stream where it is missing, and has it kept on as many servers as it should be, and take all these subjects; all
 * else stays as it is, also subjects of a version before or after this one.
 */
export async function ensureStream(
  manager: JetStreamManager,
  stream: string,
  config: Partial<StreamConfig> & Pick<StreamConfig, 'subjects' | 'num_replicas'>,
): Promise<void> {
  const info = manager.streams.info(stream);
  // Adding what is there already, unchanged, is no error: another service may be quicker.
  if (!(await exists(info))) await manager.streams.add({ name: stream, ...config });
  else {
    const before = (await info).config;
    const subjects = [...new Set([...before.subjects, ...(config.subjects ?? [])])];
    if (before.num_replicas !== config.num_replicas || subjects.length > before.subjects.length) {
      await manager.streams.update(stream, { num_replicas: config.num_replicas, subjects });
    }
  }
}

function describeStream(names: StreamNames) {
  return {
    subjects: WORK_KINDS.map((kind) => subjectOf(names, kind)),
    retention: 'workqueue' as const,
    storage: 'file' as const,
    duplicate_window: nanos(DEDUPLICATION_MS),
  };
}

async function ensureConsumer(manager: JetStreamManager, names: StreamNames, subject: string): Promise<void> {
  const { stream, consumer } = names;
  await removeOldConsumer(manager, names, subject);
  await removeConsumerOfLostStream(manager, names);
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
  await removeLeftovers(manager, names);
}

/**
 * A consumer of the version before hands out images only. It is made anew: a 2.9 server accepts a change of the filter,
 * and then hands out nothing at all. What is in hand is handed out twice, which is harmless.
 */
async function removeOldConsumer(manager: JetStreamManager, names: StreamNames, subject: string): Promise<void> {
  const { stream, consumer } = names;
  const info = manager.consumers.info(stream, consumer);
  if (!(await exists(info)) || (await info).config.filter_subject === subject) return;
  // Another service that starts may have been quicker.
  await exists(manager.consumers.delete(stream, consumer));
}

/**
 * A server whose disk was full, or is a new one, can come back with a stream whose numbers start again, and a consumer that
 * remembers having handed out greater ones: it would take new messages for old, and `removeLeftovers` delete them.
 */
async function removeConsumerOfLostStream(manager: JetStreamManager, { stream, consumer }: StreamNames): Promise<void> {
  const info = manager.consumers.info(stream, consumer);
  if (!(await exists(info))) return;
  const handedOut = (await info).delivered.stream_seq;
  // In this order: what is published in between makes the last number greater, never the other one.
  const { last_seq } = (await manager.streams.info(stream)).state;
  if (handedOut > last_seq) await exists(manager.consumers.delete(stream, consumer));
}

/**
 * A killed server (seen with 2.9) can keep acknowledged messages in a work queue for ever. They are deleted one by one: a
 * purge with a filter would make a 2.9 server forget every message that is in flight.
 *
 * @returns how many
 */
export async function removeLeftovers(manager: JetStreamManager, names: StreamNames): Promise<number> {
  const { stream, consumer } = names;
  const subject = anySubject(names);
  let removed = 0;
  const info = manager.consumers.info(stream, consumer);
  if (!(await exists(info))) return 0;
  const floor = (await info).ack_floor.stream_seq;
  let seq = (await manager.streams.info(stream)).state.first_seq;
  while (seq <= floor) {
    const message = await findMessageFrom(manager, stream, seq, subject);
    if (message === null || message.seq > floor) break;
    await manager.streams.deleteMessage(stream, message.seq);
    removed += 1;
    seq = message.seq + 1;
  }
  return removed;
}

/**
 * Removes consumers of other names from which nobody has pulled for a while: a work queue admits one consumer for each
 * subject, so that one which an earlier configuration has left would keep ours from being made. No message goes with it.
 *
 * @returns their names
 */
export async function removeStaleConsumers(
  manager: JetStreamManager,
  { stream, consumer }: StreamNames,
  idleMs: number,
): Promise<string[]> {
  const removed: string[] = [];
  for await (const info of manager.consumers.list(stream)) {
    const active = [info.created, info.delivered.last_active, info.ack_floor.last_active].flatMap((at) => at ?? []);
    const idle = Date.now() - Math.max(...active.map((at) => Date.parse(String(at))));
    if (info.name === consumer || info.num_waiting > 0 || idle < idleMs) continue;
    if (await exists(manager.consumers.delete(stream, info.name))) removed.push(info.name);
  }
  return removed;
}

/** The first message of the subject at or after a sequence number; null when there is none. */
export function findMessageFrom(manager: JetStreamManager, stream: string, seq: number, subject: string) {
  // The server knows next_by_subj since 2.9; the client's type for this request does not.
  const request = { seq, next_by_subj: subject };
  return manager.streams.getMessage(stream, request);
}

/** Whether what is asked about (a stream, a consumer) is there. */
export async function exists(info: Promise<unknown>): Promise<boolean> {
  try {
    await info;
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return false;
    throw error;
  }
}
