import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { z } from 'zod';
import type { Database } from '../lib/database.ts';
import { messageOf } from '../lib/errors.ts';
import {
  claimOperation,
  type Operation,
  RENEW_EVERY_MS,
  releaseClaim,
  renewClaim,
  type StoredAnswer,
  storeAnswer,
} from '../lib/idempotency.ts';
import { HttpError, toApiError } from './errors.ts';
import { fingerprintJson, fingerprintParts } from './fingerprint.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request is known by when it is repeated; null without an Idempotency-Key. */
    operation: Operation | null;
  }
}

const HEADER = 'idempotency-key';
/** As https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header asks for, quotes or not. */
const KEY = /^[\x21-\x7e]{1,255}$/;
const KEPT_HEADERS = ['content-type', 'location'] as const;
/** Answers that tell of a moment, not of the request; so does everything from 500 on. */
const PASSING = new Set([408, 425, 429]);

const headers = z.object({
  [HEADER]: z
    .string()
    .optional()
    .describe(
      'A text of your choice, e.g. a UUID: the same request with the same key is done once, and answered alike.',
    ),
});

/**
 * Whoever repeats a POST below /v1 with the same Idempotency-Key gets the same answer, and nothing is done twice. The answer
 * is stored before it is sent. (docs/adr/0019-ledger.md says what is promised.)
 *
 * Call it before the routes, after callers are known.
 */
export function honourIdempotencyKeys(app: FastifyInstance, { db }: { db: Database }): void {
  const renewing = new WeakMap<Operation, NodeJS.Timeout>();
  app.decorateRequest('operation', null);
  app.addHook('onRoute', (route) => {
    if (takesKeys(route)) route.schema = { headers, ...route.schema };
  });

  app.addHook('preValidation', async (request, reply) => {
    const key = readKey(request);
    if (key === undefined) return;
    const { operation, answer } = await claimOrAnswer(request, db, key);
    if (answer !== undefined) return replay(reply, answer);
    request.operation = operation;
    const renew = () =>
      renewClaim(db, operation).catch((error: unknown) => {
        request.log.debug({ err: error }, `a claim was not renewed: ${messageOf(error)}`);
      });
    renewing.set(operation, setInterval(renew, RENEW_EVERY_MS).unref());
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const { operation } = request;
    if (operation === null) return payload;
    clearInterval(renewing.get(operation));
    try {
      const answer = toStoredAnswer(reply, payload);
      if (answer !== null && operation.fingerprint !== null) {
        await storeAnswer(db, operation, answer);
        return payload;
      }
    } catch (error) {
      return answerInstead(request, reply, error);
    }
    await releaseClaim(db, operation).catch((error: unknown) => {
      request.log.debug({ err: error }, `a claim runs out by itself: ${messageOf(error)}`);
    });
    return payload;
  });
}

/** What could not be stored must not be told. (Fastify asks its error handler once only, and it may have been asked.) */
function answerInstead(request: FastifyRequest, reply: FastifyReply, error: unknown): string {
  const { status, body } = toApiError(error, request);
  if (status >= 500) request.log.error({ err: error, requestId: request.id }, messageOf(error));
  reply.status(status).header('content-type', 'application/json; charset=utf-8').removeHeader('location');
  return JSON.stringify({ error: body });
}

function takesKeys({ method, url, schema }: Pick<RouteOptions, 'method' | 'url'> & { schema?: unknown }): boolean {
  const hidden = (schema as { hide?: boolean } | undefined)?.hide ?? false;
  return [method].flat().includes('POST') && url.startsWith('/v1/') && !hidden;
}

/** @throws HttpError 400 `idempotency_key_invalid` */
function readKey(request: FastifyRequest): string | undefined {
  const { url = '', schema } = request.routeOptions;
  if (!takesKeys({ method: request.method, url, schema })) return undefined;
  const given = request.headers[HEADER];
  if (given === undefined) return undefined;
  if (typeof given === 'string' && KEY.test(given)) return given;
  const message = 'The header Idempotency-Key takes 1 to 255 printable ASCII characters, no spaces, e.g. a UUID.';
  throw new HttpError(400, 'idempotency_key_invalid', message);
}

/** @throws HttpError 409 `idempotency_key_reused` or `idempotency_in_progress` */
async function claimOrAnswer(
  request: FastifyRequest,
  db: Database,
  key: string,
): Promise<{ operation: Operation; answer?: never } | { operation?: never; answer: StoredAnswer }> {
  const isForm = request.isMultipart();
  let fingerprint = isForm ? null : fingerprintJson(request, key);
  let operation: Operation | undefined;
  if (isForm) {
    fingerprintParts(request, key, (found) => {
      fingerprint = found;
      if (operation !== undefined) operation.fingerprint = found;
    });
  }
  const claim = await claimOperation(db, { caller: request.caller.id, key, fingerprint });
  if (claim.kind === 'mine') {
    operation = claim.operation;
    return { operation };
  }
  // Who is still sending reads no answer; and only its end tells whether it is the same form.
  if (isForm) await readToTheEnd(request);
  if (claim.fingerprint !== null && !fingerprint?.equals(claim.fingerprint)) throw keyReused();
  if (claim.kind === 'running') throw inProgress();
  return { answer: claim.answer };
}

async function readToTheEnd(request: FastifyRequest): Promise<void> {
  const all = Number.POSITIVE_INFINITY;
  for await (const part of request.parts({ limits: { files: all, fileSize: all, fields: all, parts: all } })) {
    if (part.type === 'file') part.file.resume();
  }
}

function keyReused(): HttpError {
  const message = 'This Idempotency-Key was sent with another request before: take a new one for each request.';
  return new HttpError(409, 'idempotency_key_reused', message);
}

function inProgress(): HttpError {
  const message = 'The first request with this Idempotency-Key is still being worked on: ask again in a moment.';
  return new HttpError(409, 'idempotency_in_progress', message, { retryAfterSeconds: 1, retryable: true });
}

function replay(reply: FastifyReply, { status, headers, body }: StoredAnswer): FastifyReply {
  // Bytes are sent as they are.
  return reply.status(status).headers(headers).header('idempotent-replayed', 'true').send(Buffer.from(body));
}

/** Null for what must not be the answer for ever. */
function toStoredAnswer(reply: FastifyReply, payload: unknown): StoredAnswer | null {
  const { statusCode: status } = reply;
  if (status >= 500 || PASSING.has(status)) return null;
  if (payload !== undefined && payload !== null && typeof payload !== 'string' && !Buffer.isBuffer(payload))
    return null;
  const kept = KEPT_HEADERS.flatMap((name) => {
    const value = reply.getHeader(name);
    return value === undefined ? [] : [[name, String(value)] as const];
  });
  return { status, headers: Object.fromEntries(kept), body: payload?.toString() ?? '' };
}
