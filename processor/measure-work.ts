import { Counter, Gauge, Histogram } from 'prom-client';
import type { Lease } from '../lib/image-queue.ts';
import type { Outcome } from '../lib/images.ts';
import type { Metrics } from '../lib/metrics.ts';

/** Where the time of one image goes; the recognizer tells the rest. */
const STAGES = ['queue', 'read', 'recognize', 'write'] as const;
export type Stage = (typeof STAGES)[number];

/** What became of one piece of work. */
export interface Ended {
  readonly status: string;
  /** The code; absent where there is nothing to explain. */
  readonly reason?: string;
}

export interface WorkMeasures {
  /** Measures a lease from when it was handed out to its end; `work` is false when it was handed back. */
  follow(lease: Lease, work: () => Promise<boolean>): Promise<boolean>;
  /** Measures one stage, also when it throws. */
  time<Result>(stage: Stage, work: () => Promise<Result>): Promise<Result>;
  /** Counts what was done. */
  countEnd(kind: Lease['kind'], ended: Ended): void;
  /** Counts an image's faces, and measures its whole way. @param ms from the POST to the stored outcome; null: not known */
  countImage(outcome: Outcome, ms: number | null): void;
}

/** Seconds: from an idle system to one that is hours behind. */
const BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1_800, 7_200];

/** @param concurrency how much may be in hand at once */
export function measureWork(metrics: Metrics, concurrency: number): WorkMeasures {
  const registers = [metrics];
  const inHand = new Gauge({
    ...{ name: 'faceflow_processor_in_hand', registers },
    help: 'Images and enrolments that this processor has taken and not ended.',
  });
  new Gauge({
    ...{ name: 'faceflow_processor_concurrency', registers },
    help: 'How many this processor may have in hand at once (PROCESSOR_CONCURRENCY).',
  }).set(concurrency);
  const handedOut = new Counter({
    ...{ name: 'faceflow_deliveries_total', labelNames: ['delivery'], registers },
    help: 'Images and enrolments that were taken from the queue: for the first time, or again.',
  });
  const handedBack = new Counter({
    ...{ name: 'faceflow_handed_back_total', registers },
    help: 'Images and enrolments that went back to the queue without an end: a try failed, or the processor stopped.',
  });
  const outcomes = new Counter({
    ...{ name: 'faceflow_outcomes_total', labelNames: ['kind', 'status', 'reason'], registers },
    help: 'Images (kind identify) and enrolments (enrol) that have come to an end, by status and the code of the reason.',
  });
  const faces = new Counter({
    ...{ name: 'faceflow_faces_total', labelNames: ['known'], registers },
    help: 'Faces that were found, and whether they are of somebody known.',
  });
  const stages = new Histogram({
    ...{ name: 'faceflow_stage_duration_seconds', labelNames: ['stage'], buckets: BUCKETS, registers },
    help: 'Of one image: queue (until it was first handed out), read (its row), recognize (the call, waiting for room included), write (the outcome).',
  });
  const whole = new Histogram({
    ...{ name: 'faceflow_image_duration_seconds', buckets: BUCKETS, registers },
    help: "From the POST of an image to its stored outcome, by the database's clock; not of images that were tried again later.",
  });
  for (const known of ['true', 'false']) faces.inc({ known }, 0);
  for (const delivery of ['first', 'again']) handedOut.inc({ delivery }, 0);
  const observe = (stage: Stage, ms: number) => stages.observe({ stage }, Math.max(0, ms) / 1_000);

  return {
    async follow(lease, work) {
      const isFirst = lease.deliveries === 1;
      handedOut.inc({ delivery: isFirst ? 'first' : 'again' });
      // The queue's clock and ours may disagree a little.
      if (isFirst) observe('queue', Date.now() - lease.enqueuedAt.getTime());
      inHand.inc();
      try {
        const ended = await work();
        if (!ended) handedBack.inc();
        return ended;
      } finally {
        inHand.dec();
      }
    },

    async time(stage, work) {
      const startedAt = performance.now();
      try {
        return await work();
      } finally {
        observe(stage, performance.now() - startedAt);
      }
    },

    countEnd: (kind, { status, reason = '' }) => outcomes.inc({ kind, status, reason }),

    countImage(outcome, ms) {
      if (ms !== null) whole.observe(ms / 1_000);
      if (!('faces' in outcome)) return;
      const known = outcome.faces.filter(({ personId }) => personId !== null).length;
      faces.inc({ known: 'true' }, known);
      faces.inc({ known: 'false' }, outcome.faces.length - known);
    },
  };
}
