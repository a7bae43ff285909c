/** The one place from which the page asks its own origin; frontend/app.ts passes it on to the receiver. */

const requestTimeoutMs = 10_000;

/**
 * What a request that changes something carries: the receiver believes a cookie only together with this header, which no
 * page of another site can send (docs/security.md).
 */
const proofOfPage = { 'x-faceflow-page': '1' } as const;

/** An answer that is an error, or no answer at all (then `code` is `unreachable`). */
export class ApiError extends Error {
  readonly code: string;
  /** Of HTTP; 0 without an answer. */
  readonly status: number;

  constructor(code: string, message: string, options?: { cause?: unknown; status?: number }) {
    super(message, options);
    this.name = 'ApiError';
    this.code = code;
    this.status = options?.status ?? 0;
  }
}

/** @throws ApiError */
export async function getJson<T>(url: string, signal?: AbortSignal, options: { timeoutMs?: number } = {}): Promise<T> {
  return (await ask(url, { headers: { accept: 'application/json' } }, { signal, ...options })) as T;
}

/**
 * Changes something. A form is sent as it is, anything else as JSON.
 *
 * @throws ApiError
 */
export async function send<T>(
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  url: string,
  body?: unknown,
  options: { signal?: AbortSignal | undefined; timeoutMs?: number } = {},
): Promise<T> {
  const json = body !== undefined && !(body instanceof FormData);
  const headers = {
    accept: 'application/json',
    ...proofOfPage,
    ...(json ? { 'content-type': 'application/json' } : {}),
  };
  const content = body === undefined ? {} : { body: json ? JSON.stringify(body) : (body as FormData) };
  return (await ask(url, { method, headers, ...content }, options)) as T;
}

/**
 * Sends a form and tells how far it is (0..1); `fetch` cannot tell that.
 *
 * @throws ApiError, with code `cancelled` after `signal`
 */
export function sendForm<T>(
  url: string,
  form: FormData,
  options: { signal: AbortSignal; onProgress: (ratio: number) => void },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.responseType = 'json';
    for (const [name, value] of Object.entries(proofOfPage)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => options.onProgress(total > 0 ? loaded / total : 0);
    request.onload = () => {
      if (request.status < 300) resolve(request.response as T);
      else reject(toApiError(request.status, request.response));
    };
    request.onerror = () => reject(new ApiError('unreachable', 'Faceflow does not answer.'));
    request.onabort = () => reject(new ApiError('cancelled', 'Cancelled.'));
    const abort = () => request.abort();
    options.signal.addEventListener('abort', abort, { once: true });
    request.onloadend = () => options.signal.removeEventListener('abort', abort);
    request.send(form);
  });
}

async function ask(
  url: string,
  init: RequestInit,
  { signal, timeoutMs = requestTimeoutMs }: { signal?: AbortSignal | undefined; timeoutMs?: number },
): Promise<unknown> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, {
    ...init,
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }).catch((cause: unknown) => {
    throw new ApiError('unreachable', 'Faceflow does not answer.', { cause });
  });
  if (!response.ok) throw toApiError(response.status, await response.json().catch(() => null));
  return response.status === 204 ? null : await response.json();
}

function toApiError(status: number, body: unknown): ApiError {
  const { error } = (body ?? {}) as { error?: { code?: string; message?: string } };
  return new ApiError(error?.code ?? 'http_error', error?.message ?? `HTTP status ${status}`, { status });
}
