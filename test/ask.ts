/** What came as JSON, whatever it is: tests look into it, and fail where it is not as it should be. */
// biome-ignore lint/suspicious/noExplicitAny: this is the one place that says so
export type Json = any;

export interface Answer<Body = Json> {
  readonly status: number;
  /** JSON as what it says, null where nothing came, and everything else as its bytes. */
  readonly body: Body;
}

export interface WholeAnswer<Body = Json> extends Answer<Body> {
  readonly headers: Headers;
}

/** Reads an answer to its end. */
export async function readAnswer<Body = Json>(response: Response): Promise<WholeAnswer<Body>> {
  const { status, headers } = response;
  const bytes = Buffer.from(await response.arrayBuffer());
  const isJson = headers.get('content-type')?.startsWith('application/json');
  const read = () => (isJson ? JSON.parse(bytes.toString()) : bytes);
  return { status, headers, body: bytes.length === 0 ? null : read() };
}

/** Sends a request; a body that is neither text nor a form goes as JSON. */
export async function ask<Body = Json>(
  method: string,
  url: string,
  body?: unknown,
  options: Pick<RequestInit, 'headers' | 'signal'> = {},
): Promise<Answer<Body>> {
  const { status, body: answered } = await askWhole<Body>(method, url, body, options);
  return { status, body: answered };
}

/** The same, with the headers of the answer. */
export async function askWhole<Body = Json>(
  method: string,
  url: string,
  body?: unknown,
  options: Pick<RequestInit, 'headers' | 'signal'> = {},
): Promise<WholeAnswer<Body>> {
  const isReady = typeof body === 'string' || body instanceof FormData;
  const sent = body === undefined ? {} : { body: isReady ? body : JSON.stringify(body) };
  return readAnswer(await fetch(url, { method, ...sent, ...options }));
}
