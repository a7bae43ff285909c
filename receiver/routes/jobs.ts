import { z } from 'zod';
import { listJobs } from '../../lib/jobs.ts';
import type { App, AppOptions } from '../app.ts';

export const jobSchema = z.object({
  name: z.string(),
  done: z.number().int().describe('Of `total`, in the units of the job; of `rematch` and `models`: faces looked at.'),
  total: z.number().int(),
  startedAt: z.iso.datetime().nullable().describe('Of the run that goes on, or went on last; null before the first.'),
  finishedAt: z.iso.datetime().nullable().describe('Null while a run goes on.'),
  updatedAt: z.iso.datetime(),
});

export function addJobRoute(app: App, { db }: Pick<AppOptions, 'db'>): void {
  app.get(
    '/v1/jobs',
    {
      schema: {
        summary: 'The background jobs, and how far each is',
        tags: ['jobs'],
        response: { 200: z.object({ jobs: z.array(jobSchema) }) },
      },
    },
    async () => ({
      jobs: (await listJobs(db)).map((job) => ({
        ...job,
        startedAt: job.startedAt?.toISOString() ?? null,
        finishedAt: job.finishedAt?.toISOString() ?? null,
        updatedAt: job.updatedAt.toISOString(),
      })),
    }),
  );
}
