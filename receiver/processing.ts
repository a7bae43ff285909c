import { z } from 'zod';
import type { Processing } from '../lib/processors.ts';

export const processingSchema = z.object({
  state: z
    .enum(['running', 'paused', 'stopped'])
    .describe('paused: every processor waits for the recognizer; stopped: no processor has been heard of lately.'),
  processors: z.number().int().describe('Heard of in the last half minute.'),
  paused: z.number().int().describe('Of them, those that wait for the recognizer.'),
  unavailableSince: z.iso.datetime().nullable().describe('The recognizer, for the first of them.'),
  nextAttemptAt: z.iso.datetime().nullable().describe('When the first of them tries again.'),
  nextAttemptInSeconds: z.number().int().nullable(),
  message: z.string().nullable().describe('For people; null when there is nothing to say.'),
});

/** @param now when the summary was read, ms of the epoch */
export function presentProcessing(summary: Processing, now = Date.now()): z.infer<typeof processingSchema> {
  const { state, processors, paused, unavailableSince, nextAttemptInMs } = summary;
  return {
    ...{ state, processors, paused },
    unavailableSince: unavailableSince?.toISOString() ?? null,
    nextAttemptAt: nextAttemptInMs === null ? null : new Date(now + nextAttemptInMs).toISOString(),
    nextAttemptInSeconds: nextAttemptInMs === null ? null : Math.ceil(nextAttemptInMs / 1_000),
    message: describe(summary),
  };
}

function describe({ state, processors, paused, unavailableSince, nextAttemptInMs }: Processing): string | null {
  if (state === 'stopped') return 'No processor is running.';
  if (paused === 0) return null;
  const who = state === 'paused' ? 'paused' : `${paused} of ${processors} processors paused`;
  const since = unavailableSince === null ? '' : ` since ${unavailableSince.toISOString()}`;
  const next = nextAttemptInMs === null ? '' : `, next try in ${Math.ceil(nextAttemptInMs / 1_000)} s`;
  return `${who}: recognizer unavailable${since}${next}`;
}
