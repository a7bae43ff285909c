import { expect, test } from 'vitest';
import { readEnv } from '../../lib/env.ts';
import { toWebhookSettings, webhookKeys } from './settings.ts';

const read = (environment: Record<string, string>) => toWebhookSettings(readEnv(environment, webhookKeys));

test('nobody is told anything unless hosts are named; then there must be a secret', () => {
  expect(read({}).rules).toEqual({ allowed: [], intranet: new Set() });
  expect(() => read({ WEBHOOK_HOSTS: 'example.org' })).toThrow('WEBHOOK_SECRET: expected a text of 32');
  expect(() => read({ WEBHOOK_PRIVATE_HOSTS: '127.0.0.1:9' })).toThrow('WEBHOOK_SECRET: expected');
  expect(() => read({ WEBHOOK_HOSTS: 'example.org', WEBHOOK_SECRET: 'too short' })).toThrow('found something else');
  expect(read({ WEBHOOK_HOSTS: 'example.org', WEBHOOK_SECRET: 'x'.repeat(32) }).rules.allowed).toHaveLength(1);
});

test('the schedule goes on for hours', () => {
  const { scheduleMs } = read({});
  expect(scheduleMs.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThan(12 * 3_600_000);
});
