import { statfs } from 'node:fs/promises';
import { z } from 'zod';
import { countGallery } from '../../lib/count-gallery.ts';
import { countReasons } from '../../lib/count-images.ts';
import { HISTORY_MINUTES, readMinutes } from '../../lib/image-history.ts';
import { keepCount } from '../../lib/keep-count.ts';
import { findLeaders, listReplicas, type Replica } from '../../lib/replicas.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema } from '../errors.ts';

const minuteSchema = z.object({
  at: z.iso.datetime().describe('When the minute began.'),
  seconds: z.number().int().describe('How much of it is counted: 60 when it is over.'),
  backlog: z.number().int().nullable().describe('Images that were pending; null: nobody counted during this minute.'),
  matched: z.number().int(),
  unknown: z.number().int(),
  noFace: z.number().int(),
  unreadable: z.number().int(),
  failed: z.number().int(),
  p50Ms: z
    .number()
    .int()
    .nullable()
    .describe('Half of them ended so long after they were posted; null when none ended.'),
  p95Ms: z.number().int().nullable(),
});

const replicaSchema = z.object({
  service: z.enum(['receiver', 'processor', 'recognizer']),
  name: z.string().describe('Host, or pod, and the id of the process.'),
  startedAt: z.iso.datetime(),
  seenSecondsAgo: z.number().int(),
  leads: z.array(z.string()).describe('Names of the background jobs that it runs now.'),
  breaker: z
    .object({ state: z.enum(['closed', 'open', 'half_open']), nextAttemptInSeconds: z.number().int().nullable() })
    .nullable()
    .describe('Of a processor: open while it waits for the recognizer.'),
  gallery: z
    .object({ model: z.string(), faces: z.number().int() })
    .nullable()
    .describe('Of a recognizer: what it answers by, and how many faces it compares with.'),
  workers: z.number().int().nullable().describe('Of a recognizer: photos that it looks at side by side.'),
});

const systemSchema = z.object({
  replicas: z.array(replicaSchema).describe('Processes that have been heard of in the last half minute.'),
  reasons: z
    .array(
      z.object({
        status: z.enum(['failed', 'unreadable']),
        reason: z.string().nullable().describe('A code, as POST /v1/images/retry takes it.'),
        count: z.number().int(),
        scheduled: z.number().int().describe('Of these, photos that are tried again by themselves.'),
      }),
    )
    .describe('Why photos ended without an answer, most first.'),
  gallery: z.object({ people: z.number().int(), references: z.number().int() }),
  disk: z
    .object({ freeBytes: z.number(), totalBytes: z.number() })
    .nullable()
    .describe('Where uploads are stored, as this receiver sees it; null when it cannot be told.'),
});

/** What the page's System view shows, besides /v1/stats and /v1/jobs. */
export function addSystemRoutes(app: App, { db, roots }: Pick<AppOptions, 'db' | 'roots'>): void {
  const reasons = keepCount(() => countReasons(db));
  const gallery = keepCount(() => countGallery(db));

  app.get(
    '/v1/stats/history',
    {
      schema: {
        summary: 'What was done in each of the last minutes',
        description: 'Minutes in which no receiver ran are filled in later, without their backlog. Two days are kept.',
        tags: ['system'],
        querystring: z.strictObject({ minutes: z.coerce.number().int().min(1).max(HISTORY_MINUTES).default(60) }),
        response: {
          200: z.object({ minutes: z.array(minuteSchema).describe('Oldest first; the last one goes on.') }),
          '4xx': errorReplySchema,
          '5xx': errorReplySchema,
        },
      },
    },
    async ({ query }) => {
      const minutes = await readMinutes(db, query.minutes);
      return { minutes: minutes.map((minute) => ({ ...minute, at: minute.at.toISOString() })) };
    },
  );

  app.get(
    '/v1/system',
    {
      schema: {
        summary: 'Which processes there are, who leads, why photos failed, how large the gallery is',
        tags: ['system'],
        response: { 200: systemSchema, '5xx': errorReplySchema },
      },
    },
    async () => ({
      replicas: presentReplicas(await listReplicas(db)),
      reasons: await reasons(),
      gallery: await gallery(),
      disk: await readDisk(roots[0]),
    }),
  );
}

function presentReplicas(replicas: readonly Replica[]): z.infer<typeof replicaSchema>[] {
  const leaders = findLeaders(replicas);
  return replicas.map((replica) => {
    const { service, name, startedAt, seenMsAgo, leads, breaker, gallery, workers } = replica;
    return {
      ...{ service, name, startedAt: startedAt.toISOString(), seenSecondsAgo: Math.round(seenMsAgo / 1000) },
      leads: (leads?.jobs ?? []).filter((job) => leaders.get(job) === replica),
      breaker: breaker && {
        state: breaker.state,
        nextAttemptInSeconds: breaker.nextAttemptInMs === null ? null : Math.ceil(breaker.nextAttemptInMs / 1000),
      },
      gallery: gallery ?? null,
      workers: workers ?? null,
    };
  });
}

async function readDisk(folder: string | undefined) {
  if (folder === undefined) return null;
  const found = await statfs(folder).catch(() => null);
  return found && { freeBytes: found.bavail * found.bsize, totalBytes: found.blocks * found.bsize };
}
