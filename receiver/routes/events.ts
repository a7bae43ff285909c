import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import type { EventRead, Events } from '../../lib/events.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';

const HEARTBEAT_MS = 15_000;
/** A client that has taken nothing for so long is dropped: it comes back and goes on where it was. */
const SLOW_MS = 10_000;
const MAX_LISTENERS = 500;

const idSchema = z
  .string()
  .regex(/^\d{1,15}$/, 'the id of an event')
  .transform(Number)
  .optional();

const description = `Server-sent events. Each has an id that grows by one, and its kind as its event: \`image.accepted\`,
\`image.finished\`, \`image.changed\`, \`image.deleted\`, \`person.changed\`, \`person.removed\`, \`job.progress\`,
\`processor.breaker\`. They hold ids and status only. With \`Last-Event-ID\` (browsers send it by themselves) the stream goes on after that event, without gap or
repeat; without it, with what happens from now on. An event \`reset\` says that some were lost (they are kept for a day): read
anew what you show. Comments keep the connection alive.`;

/** The stream of events. It ends when the app closes, so that the process can stop. */
export function addEventRoute(app: App, { events }: Pick<AppOptions, 'events'>): void {
  const closing = new AbortController();
  const telling = new Set<Promise<boolean>>();
  app.addHook('preClose', async () => {
    closing.abort();
    await Promise.allSettled(telling);
  });

  app.get(
    '/v1/events',
    {
      // A HEAD would never end.
      exposeHeadRoute: false,
      config: { staysOpen: true },
      schema: {
        summary: 'What happens, as it happens',
        description,
        tags: ['events'],
        produces: ['text/event-stream'],
        headers: z.object({ 'last-event-id': idSchema }),
        querystring: z.object({
          lastEventId: idSchema.describe('For clients that cannot set the header; the header wins.'),
        }),
        response: { '4xx': errorReplySchema, 503: errorReplySchema },
      },
    },
    async (request, reply) => {
      if (telling.size >= MAX_LISTENERS || closing.signal.aborted) {
        throw new HttpError(503, 'too_many_listeners', 'Too many clients listen already, or the receiver is stopping.');
      }
      const after = request.headers['last-event-id'] ?? request.query.lastEventId;
      // What hooks have set (CORS), Fastify does not send when the answer is not its own.
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) reply.raw.setHeader(name, value);
      }
      reply.hijack();
      const told = tell(reply.raw, events, after, closing.signal);
      telling.add(told);
      const keptUp = await told.finally(() => telling.delete(told));
      if (!keptUp) request.log.info('a client that takes nothing was dropped');
    },
  );
}

/**
 * Writes events until the client goes, is too slow, or `closing` is aborted. Nothing is kept for a client beyond its socket.
 *
 * @returns false when it was too slow
 */
async function tell(
  response: ServerResponse,
  events: Pick<Events, 'read'>,
  after: number | undefined,
  closing: AbortSignal,
): Promise<boolean> {
  const ending = new AbortController();
  const { signal } = ending;
  const end = () => ending.abort();
  response.once('close', end);
  closing.addEventListener('abort', end, { once: true });
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    // A receiver that stops ends the streams, and must not wait for what the client might ask next.
    connection: 'close',
    // nginx would collect it.
    'x-accel-buffering': 'no',
  });
  response.write(':\n\n');
  const beating = setInterval(() => {
    if (!response.writableNeedDrain) response.write(':\n\n');
  }, HEARTBEAT_MS);
  try {
    for await (const read of events.read({ signal, ...(after === undefined ? {} : { after }) })) {
      if (!response.write(format(read)) && !(await drains(response, signal))) break;
    }
    return signal.aborted || !response.writableNeedDrain;
  } finally {
    clearInterval(beating);
    closing.removeEventListener('abort', end);
    if (response.writableNeedDrain) response.destroy();
    else response.end();
  }
}

/** Waits until the client takes more. @returns false when it does not for SLOW_MS, or `signal` is aborted */
async function drains(response: ServerResponse, signal: AbortSignal): Promise<boolean> {
  const waiting = new AbortController();
  const giveUp = () => waiting.abort();
  const timer = setTimeout(giveUp, SLOW_MS);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await once(response, 'drain', { signal: waiting.signal }).then(
      () => true,
      () => false,
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html: an id without data is remembered, and no event. */
function format({ id, event }: EventRead): string {
  if (event.kind === 'start') return `id: ${id}\n\n`;
  const { kind, ...data } = event;
  return `id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`;
}
