import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import type { App, AppOptions } from '../app.ts';

const healthSchema = z.object({ status: z.string(), reason: z.string().optional() });

export function addHealthRoutes(app: App, { db, stopping }: AppOptions): void {
  app.get(
    '/healthz',
    { schema: { summary: 'Does the process live?', tags: ['health'], response: { 200: healthSchema } } },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Can it take photos?',
        // Without NATS it can: the rows are published later.
        description: 'Needs the database; not the queue, since what is accepted while that is away is published later.',
        tags: ['health'],
        response: { 200: healthSchema, 503: healthSchema },
      },
    },
    async (_request, reply) => {
      try {
        if (stopping.aborted) throw new Error('It is about to stop.');
        await db.ping();
        return { status: 'ready' };
      } catch (error) {
        return reply.status(503).send({ status: 'not ready', reason: messageOf(error) });
      }
    },
  );

  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
