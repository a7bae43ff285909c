import { expect, test } from 'vitest';
import { loadConfig } from './config.ts';

test('without any key: loopback, the default port, the receiver beside it', () => {
  expect(loadConfig({})).toMatchObject({ host: '127.0.0.1', port: 8081, receiverUrl: 'http://127.0.0.1:8000' });
});

test('takes what is given', () => {
  const config = loadConfig({ HOST: '0.0.0.0', FRONTEND_PORT: '18081', RECEIVER_URL: 'http://receiver:80/' });
  expect(config).toMatchObject({ host: '0.0.0.0', port: 18081, receiverUrl: 'http://receiver' });
});

test('names every bad key at once', () => {
  const load = () => loadConfig({ FRONTEND_PORT: 'http', RECEIVER_URL: 'receiver:8000' });
  expect(load).toThrow(/FRONTEND_PORT[\s\S]*RECEIVER_URL/);
});
