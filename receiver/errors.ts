import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { messageOf, PermanentError, PhotoUnreachableError } from '../lib/errors.ts';
import { ClaimLost, KeyReused } from '../lib/idempotency.ts';
import { LineFullError } from '../lib/waiting-line.ts';
import type { App } from './app.ts';
import { describeProblems, type Issue } from './describe-problems.ts';

export const errorSchema = z.object({
  code: z.string().describe('Stable; programs may rely on it.'),
  message: z.string().describe('For people; may change.'),
  requestId: z.string(),
  traceId: z.string().describe('In the log lines of every service that had to do with the request.'),
  retryable: z.boolean().describe('Whether the same request may succeed later.'),
});
export type ApiError = z.infer<typeof errorSchema>;

export const errorReplySchema = z.object({ error: errorSchema });

/** An answer other than success that a route decides on. */
export class HttpError extends Error {
  readonly status: number;
  readonly code: string;
  /** For the header Retry-After. */
  readonly retryAfterSeconds: number | undefined;
  /** Whether the same request may succeed later; by default from 500 on. */
  readonly retryable: boolean;

  constructor(
    status: number,
    code: string,
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number; retryable?: boolean } = {},
  ) {
    super(message, options);
    this.name = 'HttpError';
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.retryable = options.retryable ?? status >= 500;
  }
}

/** The HTTP status of what is wrong with a path or a picture; 400 for the codes that are not listed. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  path_outside_roots: 403,
  url_not_allowed: 403,
  url_address_forbidden: 403,
  url_invalid: 422,
  url_refused: 422,
  s3_not_allowed: 403,
  s3_invalid: 422,
  s3_refused: 422,
  file_not_found: 404,
  file_not_permitted: 403,
  image_too_large: 413,
  image_unreadable: 422,
  image_format_unsupported: 422,
  person_not_found: 404,
  model_not_found: 404,
  model_not_compared: 409,
  model_not_prepared: 409,
  model_active: 409,
  model_dropping: 409,
  cluster_not_found: 404,
  key_not_found: 404,
  webhook_not_found: 404,
  webhook_secret_unreadable: 409,
  too_many_webhooks: 409,
  face_not_in_cluster: 409,
  nothing_left: 409,
  person_exists: 409,
  reference_not_found: 404,
  face_not_found: 404,
  face_erased: 409,
  face_not_named: 409,
  no_descriptor: 422,
  poor_quality: 422,
  duplicate_face: 409,
  belongs_to_other: 409,
};

/** What Fastify itself refuses, in our codes. */
const CODE_OF_FASTIFY: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_content_length',
};

/** What a request is found by. */
export type RequestIds = Pick<FastifyRequest, 'id' | 'traceId'>;

export function toApiError(
  error: unknown,
  request: RequestIds & Partial<Pick<FastifyRequest, 'routeOptions'>>,
): { status: number; body: ApiError } {
  const answer = (status: number, code: string, message: string, retryable = status >= 500) => ({
    status,
    body: { code, message, requestId: request.id, traceId: request.traceId, retryable },
  });
  if (error instanceof HttpError) return answer(error.status, error.code, error.message, error.retryable);
  if (error instanceof ClaimLost) return answer(409, 'idempotency_in_progress', error.message, true);
  if (error instanceof KeyReused) return answer(409, 'idempotency_key_reused', error.message);
  if (error instanceof PermanentError) return answer(STATUS_OF_CODE[error.code] ?? 400, error.code, error.message);
  if (error instanceof PhotoUnreachableError) return answer(502, error.code, error.message);
  if (error instanceof LineFullError) return answer(503, 'photos_busy', error.message);
  if (hasZodFastifySchemaValidationErrors(error)) {
    const problems = describeProblems(error.validation.map(toIssue), WHOLE[error.validationContext ?? ''] ?? 'body');
    return answer(400, 'invalid_request', `The request is not valid: ${problems}`);
  }
  const { statusCode, code } = error as Partial<FastifyError>;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const kib = (request.routeOptions?.bodyLimit ?? 0) / 1024;
    return answer(413, 'body_too_large', `The body is larger than ${kib} KiB: send less in one request.`);
  }
  if (statusCode !== undefined && statusCode < 500) {
    return answer(statusCode, CODE_OF_FASTIFY[code ?? ''] ?? 'invalid_request', messageOf(error));
  }
  return answer(500, 'internal_error', 'Something went wrong here. The log of the receiver says what.');
}

/** What a problem without a name is about. */
const WHOLE: Readonly<Record<string, string>> = { querystring: 'query', params: 'path', headers: 'headers' };

type Problem = NonNullable<FastifyError['validation']>[number];

/** Back from the shape that Fastify wants to the one that Zod gave. */
function toIssue({ instancePath, keyword, message, params }: Problem): Issue {
  return { ...params, code: keyword, path: instancePath.split('/').filter(Boolean), message: message ?? '' };
}

/** Every error leaves in the same shape; only those that are our fault are logged. @param count is told the code of each */
export function answerErrors(app: FastifyInstance, count: (code: string) => void): void {
  app.setErrorHandler((error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const { status, body } = toApiError(error, request);
    count(body.code);
    if (error instanceof HttpError && error.retryAfterSeconds) reply.header('retry-after', error.retryAfterSeconds);
    if (status === 401) reply.header('www-authenticate', 'Bearer');
    if (status >= 500) request.log.error({ err: error, requestId: request.id }, messageOf(error));
    return reply.status(status).send({ error: body });
  });
  app.setNotFoundHandler((request) => {
    throw new HttpError(404, 'not_found', `There is nothing at ${request.method} ${request.url}.`);
  });
}

const METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'] as const;

/** Answers 405, with the methods that are allowed, where a path exists but not for the method. Call before the routes. */
export function answerWrongMethods(app: App): void {
  const methodsOf = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method, schema }) => {
    if ((schema as { hide?: boolean } | undefined)?.hide) return;
    const methods = methodsOf.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    methodsOf.set(url, methods);
  });
  app.after(() => {
    for (const [url, allowed] of methodsOf) {
      app.route({
        method: METHODS.filter((method) => !allowed.has(method)),
        url,
        schema: { hide: true },
        config: { wrongMethod: true },
        handler: (request, reply) => {
          reply.header('allow', [...allowed].join(', '));
          if (request.method === 'OPTIONS') return reply.status(204).send();
          throw new HttpError(405, 'method_not_allowed', `${request.method} is not possible here.`);
        },
      });
    }
  });
}
