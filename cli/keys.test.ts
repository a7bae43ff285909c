import { expect, test } from 'vitest';
import type { ApiKey } from '../lib/api-keys.ts';
import { chooseKey, parseExpiry } from './keys.ts';

function key(id: number, name: string, revokedAt: Date | null = null): ApiKey {
  return { id, name, roles: ['read'], createdAt: new Date(), expiresAt: null, revokedAt, lastUsedAt: null };
}

test('a key is meant by its name or its number', () => {
  const keys = [key(1, 'camera', new Date()), key(2, 'camera'), key(3, 'twice'), key(4, 'twice'), key(5, '4')];
  expect(chooseKey(keys, 'camera')).toBe(2);
  expect(chooseKey(keys, '3')).toBe(3);
  expect(chooseKey(keys, '4')).toBe(5);
  expect(() => chooseKey(keys, 'twice')).toThrow(/Several keys are named twice: 3, 4/);
  expect(() => chooseKey(keys, 'nobody')).toThrow(/no key named nobody/);
});

test('when a key expires', () => {
  const days = (date: Date) => Math.round((date.getTime() - Date.now()) / 86_400_000);
  expect(days(parseExpiry('90d'))).toBe(90);
  expect(days(parseExpiry('48h'))).toBe(2);
  expect(parseExpiry('2999-01-31').toISOString()).toBe('2999-01-31T00:00:00.000Z');
  for (const bad of ['', 'x', '0d', '5m', '2020-01-01', '90', 'tomorrow'])
    expect(() => parseExpiry(bad), bad).toThrow();
});
