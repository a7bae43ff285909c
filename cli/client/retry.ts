import { ask } from './api.ts';
import { print } from './print.ts';

export interface RetryOptions {
  status: string;
  reason?: string;
  json?: boolean;
}

/** `faceflow retry`: these images, or without ids all of a status. @returns 1 when none could be tried again */
export async function retry(ids: readonly string[], { status, reason, json }: RetryOptions): Promise<number> {
  let retried = 0;
  for (let cursor: string | null = ''; cursor !== null; ) {
    const filter = { status, ...(reason ? { reason } : {}), ...(cursor ? { cursor } : {}) };
    const body = ids.length > 0 ? { ids: ids.map(Number) } : filter;
    const page: { retried: number; nextCursor: string | null } = await ask('POST', '/v1/images/retry', body);
    retried += page.retried;
    cursor = page.nextCursor;
  }
  print(json, { retried }, retried === 1 ? '1 image is looked at again.' : `${retried} images are looked at again.`);
  return retried > 0 ? 0 : 1;
}
