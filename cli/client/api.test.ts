import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, fetch } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { explainSilence } from './api.ts';

test('who takes longer than we wait is not said to be away', async () => {
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.close();
  });
  const dispatcher = new Agent({ headersTimeout: 10 });
  const slow: unknown = await fetch(url, { dispatcher }).catch((error: unknown) => error);
  expect(explainSilence(url, slow)).toBe(
    `${url} has been working on it for five minutes, and goes on: ask again for its answer.`,
  );
  await dispatcher.close();
  server.closeAllConnections();
  const away: unknown = await fetch('http://127.0.0.1:1').catch((error: unknown) => error);
  expect(explainSilence('http://127.0.0.1:1', away)).toMatch(
    /^Nobody answers at http:\/\/127\.0\.0\.1:1 \(FACEFLOW_URL\): /,
  );
});
