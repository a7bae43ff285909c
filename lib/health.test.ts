import { expect, test } from 'vitest';
import { serveHealth } from './health.ts';
import { createMetrics } from './metrics.ts';

test('says whether the process lives and whether it can work, and why not', async () => {
  let trouble: Error | undefined;
  const ready = async () => {
    if (trouble) throw trouble;
  };
  const health = await serveHealth({ host: '127.0.0.1', port: 0, ready, metrics: createMetrics() });
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${health.port}${path}`, { method });
    return { status: response.status, body: await response.json() };
  };
  try {
    expect(await get('/healthz')).toEqual({ status: 200, body: { status: 'ok' } });
    expect(await get('/readyz')).toEqual({ status: 200, body: { status: 'ready' } });
    trouble = new Error('no database');
    expect(await get('/readyz')).toEqual({ status: 503, body: { status: 'not ready', reason: 'no database' } });
    expect((await get('/healthz')).status).toBe(200);
    const metrics = await fetch(`http://127.0.0.1:${health.port}/metrics`);
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(await metrics.text()).toMatch(/^process_resident_memory_bytes \d+$/m);
    expect((await get('/else')).status).toBe(404);
    expect((await get('/healthz', 'POST')).status).toBe(405);
  } finally {
    await health.close();
  }
});
