import { setTimeout as sleep } from 'node:timers/promises';
import { Counter } from 'prom-client';
import { messageOf, PermanentError } from '../../lib/errors.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { addJitter } from '../../lib/retry.ts';
import type { Job, JobContext } from '../../lib/run-jobs.ts';
import {
  type Attempt,
  type DueDelivery,
  listDueDeliveries,
  recordAttempt,
  removeOldDeliveries,
} from '../../lib/webhook-deliveries.ts';
import type { Webhook, Webhooks } from '../../lib/webhooks.ts';
import { isFinal, type WebhookSender } from '../webhooks/send.ts';

export const WEBHOOKS = 'webhooks';

export interface WebhookJobOptions {
  readonly webhooks: Pick<Webhooks, 'listWebhooks' | 'readSecrets'>;
  readonly sender: Pick<WebhookSender, 'send'>;
  /** WEBHOOK_RETRY_SCHEDULE. */
  readonly scheduleMs: readonly number[];
  readonly metrics: Metrics;
}

const EVERY_MS = 500;
const TIDY_EVERY_MS = 10 * 60_000;
const TIDY_BATCH = 1_000;
/** Messages in hand for one webhook, before it is looked whether it is still there; and those that are sent at once. */
const BATCH = 16;
const AT_ONCE = 8;
/** What is being sent when the leader stops may be answered so long; otherwise the next leader sends it again. */
const GRACE_MS = 2_000;

/**
 * Sends what is noted for webhooks (lib/webhook-events.ts), each in a lane of its own: one that is slow, or away, keeps no
 * other waiting. A message is noted as delivered when it has been answered: whoever dies in between sends it again, with
 * the same id.
 */
export function createWebhookJob(options: WebhookJobOptions): Job {
  const attempts = new Counter({
    name: 'faceflow_webhook_attempts_total',
    help: 'Messages sent to webhooks: delivered, failed (to be sent again) or dead (given up).',
    labelNames: ['result'],
    registers: [options.metrics],
  });
  const count = (result: 'delivered' | 'failed' | 'dead') => attempts.inc({ result });
  // To Prometheus, what was not there before its first 1 has not grown.
  for (const result of ['delivered', 'failed', 'dead']) attempts.inc({ result }, 0);
  return {
    name: WEBHOOKS,
    async run(context) {
      const lanes = new Map<number, Promise<void>>();
      const cutOff = abortLater(context.signal);
      let tidiedAt = Number.NEGATIVE_INFINITY;
      try {
        while (!context.signal.aborted) {
          if (performance.now() - tidiedAt > TIDY_EVERY_MS) {
            const removed = await context.write((connection) => removeOldDeliveries(connection, TIDY_BATCH));
            if (removed < TIDY_BATCH) tidiedAt = performance.now();
          }
          for (const hook of await options.webhooks.listWebhooks()) {
            if (lanes.has(hook.id)) continue;
            const lane = deliverDue(hook, { ...options, context, cutOff, count })
              .catch((error: unknown) => context.log.debug({ err: error }, `tried again: ${messageOf(error)}`))
              .finally(() => lanes.delete(hook.id));
            lanes.set(hook.id, lane);
          }
          await sleep(EVERY_MS, undefined, { signal: context.signal }).catch(() => undefined);
        }
      } finally {
        await Promise.all(lanes.values());
      }
    },
  };
}

interface LaneOptions extends WebhookJobOptions {
  readonly context: JobContext;
  readonly cutOff: AbortSignal;
  readonly count: (result: 'delivered' | 'failed' | 'dead') => void;
}

/** Some of what is due for one webhook, once. */
async function deliverDue(hook: Webhook, options: LaneOptions): Promise<void> {
  const { context, webhooks } = options;
  const waiting = await listDueDeliveries(context.db, hook.id, BATCH);
  if (waiting.length === 0) return;
  const secrets = await webhooks.readSecrets(hook.id).catch((error: unknown) => {
    if (error instanceof PermanentError) return error.code;
    throw error;
  });
  const sendNext = async () => {
    for (let due = waiting.shift(); due !== undefined && !context.signal.aborted; due = waiting.shift()) {
      await deliver(hook, due, secrets, options);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sendNext));
}

/** @param secrets or the code of why there are none */
async function deliver(hook: Webhook, due: DueDelivery, secrets: string[] | string, options: LaneOptions) {
  const { context, sender, cutOff, scheduleMs, count } = options;
  const attempt: Attempt =
    typeof secrets === 'string'
      ? { status: null, failure: secrets, retryAfterMs: null }
      : await sender.send(hook.url, { messageId: due.messageId, payload: due.payload, secrets }, cutOff);
  // Nobody knows whether it was taken: it is as if it had not been sent.
  if (cutOff.aborted && attempt.failure !== null) return;
  const retryInMs = chooseDelay(attempt, due.failures, scheduleMs);
  await context.write((connection) => recordAttempt(connection, due, attempt, retryInMs));
  count(attempt.failure === null ? 'delivered' : retryInMs === null ? 'dead' : 'failed');
  if (attempt.failure === null || retryInMs !== null) return;
  // The URL may hold what only its owner may know.
  const details = { webhook: hook.id, delivery: due.id, failure: attempt.failure, status: attempt.status };
  context.log.warn(details, 'a message to a webhook is given up');
}

/** @param failures before this try @returns ms; null: not any more */
export function chooseDelay(attempt: Attempt, failures: number, scheduleMs: readonly number[]): number | null {
  const step = scheduleMs[failures];
  if (step === undefined || isFinal(attempt)) return null;
  return Math.max(addJitter(step), attempt.retryAfterMs ?? 0);
}

/** Aborted GRACE_MS after `signal`. */
function abortLater(signal: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const begin = () => setTimeout(() => controller.abort(), GRACE_MS).unref();
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  return controller.signal;
}
