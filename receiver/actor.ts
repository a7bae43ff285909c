import type { FastifyRequest } from 'fastify';
import type { Actor } from '../lib/audit.ts';

/** On whose behalf a route changes something. */
export function actorOf({ caller, id, operation }: FastifyRequest): Actor {
  return { caller: caller.id, requestId: id, operation };
}
