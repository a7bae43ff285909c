import { fastify } from 'fastify';
import { expect, test } from 'vitest';
import { measureHttp } from './measure-http.ts';
import { createMetrics, measureNeeds, shareAnswer } from './metrics.ts';

const away = async () => {
  throw new Error('away');
};

test('what is needed is up, or down when it throws or says nothing', async () => {
  const metrics = createMetrics();
  measureNeeds(metrics, { mysql: async () => {}, nats: away, other: () => new Promise(() => {}) });
  const text = await metrics.metrics();
  expect(text).toContain('faceflow_dependency_up{dependency="mysql"} 1\n');
  expect(text).toContain('faceflow_dependency_up{dependency="nats"} 0\n');
  expect(text).toContain('faceflow_dependency_up{dependency="other"} 0\n');
});

test('all who ask within a second share one answer, and its failure is none', async () => {
  let asked = 0;
  const ask = shareAnswer(async () => {
    asked += 1;
    return asked;
  });
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([1, 1, 1]);
  expect(asked).toBe(1);
  expect(await shareAnswer(away)()).toBeNull();
});

test('the time that the event loop is busy grows, and no faster than time', async () => {
  const metrics = createMetrics();
  const read = async () => Number(/^faceflow_event_loop_busy_seconds_total (\S+)$/m.exec(await metrics.metrics())?.[1]);
  const startedAt = performance.now();
  const before = await read();
  const busyUntil = performance.now() + 20;
  while (performance.now() < busyUntil);
  const busy = (await read()) - before;
  expect(busy).toBeGreaterThan(0.015);
  expect(busy).toBeLessThanOrEqual((performance.now() - startedAt) / 1_000 + 0.001);
});

test('requests are measured by their route, and streams of events are not', async () => {
  const metrics = createMetrics();
  const app = fastify();
  measureHttp(app, metrics);
  app.get('/images/:id', (_request, reply) => reply.code(404).send({}));
  app.get('/events', (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).end();
  });
  for (const url of ['/images/1', '/images/2', '/events', '/nothing/here']) await app.inject(url);
  const counts = (await metrics.metrics()).match(/^faceflow_http_request_duration_seconds_count.*$/gm);
  expect(counts).toEqual([
    'faceflow_http_request_duration_seconds_count{method="GET",route="/images/:id",status="404"} 2',
    'faceflow_http_request_duration_seconds_count{method="GET",route="none",status="404"} 1',
  ]);
  await app.close();
});
