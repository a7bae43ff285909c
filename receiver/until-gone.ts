import type { FastifyReply } from 'fastify';

/** Aborted when whoever asked has gone: nobody else needs the answer. */
export function untilGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new Error('The caller has gone.'));
  });
  return gone.signal;
}
