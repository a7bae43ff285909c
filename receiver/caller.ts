import type { FastifyInstance } from 'fastify';

/** `ingest` posts photos and sees what became of them; `read` sees everything; `admin` may do everything. */
export type Role = 'ingest' | 'read' | 'admin';

/** Who asks. */
export interface Caller {
  /** `local`: nobody had to say who they are; `key`: an API key; `user`: somebody who has logged in in a browser. */
  readonly kind: 'local' | 'key' | 'user';
  /** The same for ever: `local`, `key:7`, `user:https://issuer/#subject`. */
  readonly id: string;
  /** For people to read. */
  readonly name: string;
  readonly roles: readonly Role[];
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller;
  }
}

/** Each request has a caller; receiver/access/guard.ts finds out who it is before any other hook looks at it. */
export function knowCallers(app: FastifyInstance): void {
  app.decorateRequest('caller');
}
