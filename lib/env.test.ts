import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError, choice, commonKeys, decimal, folders, integer, mysqlUrl, natsUrl, port, readEnv } from './env.ts';

describe('readEnv', () => {
  test('fills in defaults; an empty value counts as absent', () => {
    const config = readEnv({ PORT: '', LEVEL: ' ' }, { PORT: port(8000), LEVEL: choice(['low', 'high']) });
    expect(config).toEqual({ PORT: 8000, LEVEL: 'low' });
    expect(readEnv({}, commonKeys)).toMatchObject({ HOST: '127.0.0.1', LOG_LEVEL: 'info', LOG_FORMAT: 'auto' });
  });

  test('turns texts into values', () => {
    const shape = {
      N: integer({ min: 1, max: 9, fallback: 1 }),
      X: decimal({ min: 0, max: 2, fallback: 1 }),
      DIRS: folders(),
      MYSQL_URL: mysqlUrl(),
      NATS_URL: natsUrl(),
    };
    const NATS_URL = 'nats://a:4222,nats://b:4222';
    const config = readEnv({ N: '7', X: '0.55', DIRS: 'photos:/more', MYSQL_URL: 'mysql://u:p@h/d', NATS_URL }, shape);
    const DIRS = [resolve('photos'), '/more'];
    expect(config).toEqual({ N: 7, X: 0.55, DIRS, MYSQL_URL: 'mysql://u:p@h/d', NATS_URL });
  });

  test('names every bad key at once, what was expected and what was found', () => {
    const shape = {
      PORT: port(1),
      COUNT: integer({ min: 1, max: 4, fallback: 1 }),
      DIRS: folders(),
      KIND: choice(['a', 'b']),
    };
    const read = () => readEnv({ PORT: '70000', COUNT: 'many', KIND: 'c' }, shape);
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(/PORT: expected a whole number from 0 to 65535; found "70000"/);
    expect(read).toThrow(/COUNT: expected a whole number from 1 to 4; found "many"/);
    expect(read).toThrow(/DIRS: expected one or more folders, separated by colons; it is not set/);
    expect(read).toThrow(/KIND: expected one of a, b; found "c"/);
  });

  test('never repeats a URL, which may hold a password', () => {
    const read = () => readEnv({ MYSQL_URL: 'postgres://u:secret@h/d' }, { MYSQL_URL: mysqlUrl() });
    expect(read).toThrow(/MYSQL_URL: expected a URL like mysql:/);
    expect(read).not.toThrow(/secret/);
  });
});
