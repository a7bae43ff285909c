import { Writable } from 'node:stream';
import mysql from 'mysql2/promise';
import { pino } from 'pino';
import { expect, inject, test } from 'vitest';
import { descriptorToBytes } from '../lib/database.ts';
import { logOptions } from '../lib/log.ts';
import { findLeaks, findLeaksIn } from './find-leaks.ts';
import { keepLog } from './kept-logs.ts';
import { natsUrl } from './servers.ts';

const descriptor = Float32Array.from({ length: 128 }, (_, n) => Math.sin(n) / 7);
const bytes = descriptorToBytes(descriptor);

test.each([
  ['numbers', { faces: [[...descriptor]] }],
  ['a typed array', { descriptor }],
  ['a buffer', { descriptor: bytes }],
  ['base64', { descriptor: bytes.toString('base64') }],
  ['hexadecimal', { msg: `VALUES (X'${bytes.toString('hex')}')` }],
  ['a URL', { err: { message: 'cannot reach mysql://faceflow:hunter2hunter2@127.0.0.1:3306/x' } }],
  ['a token in a URL', { msg: 'no answer from nats://s3cr3tt0ken@127.0.0.1:4222' }],
  ['an API key', { msg: 'refused ff_Zm9vYmFyYmF6cXV4Zm9vYmFy' }],
  ['a header', { headers: { authorization: 'Bearer abcdefgh12345678' } }],
])('a log that holds a secret as %s is found', (_, line) => {
  expect(findLeaks(JSON.stringify({ level: 'info', ...line }))).not.toEqual([]);
});

test('what services do log is no leak', () => {
  const line = {
    ...{ level: 'info', time: '2026-11-21T08:00:00.000Z', requestId: '0bbcc45a-325c-47f9-9c8b-8cec9b80d464' },
    ...{ path: `uploads/ab/${'ab'.repeat(32)}.jpg`, seconds: 0.123, roots: ['/a/b', '/c'], box: [0.1, 0.2, 0.3, 0.4] },
    err: { stack: 'Error: connect ECONNREFUSED 127.0.0.1:3306\n    at x (file:///a/b.js:1:2)' },
    url: 'http://127.0.0.1:8000/v1/images?q=a@b',
  };
  expect(findLeaks(JSON.stringify(line))).toEqual([]);
});

test('passwords of the servers of this run are known to whoever searches its logs', () => {
  const { password, username } = new URL(inject('mysqlUrl'));
  const secret = password || username;
  const print = keepLog('leaks', { MYSQL_URL: inject('mysqlUrl'), NATS_URL: natsUrl() });
  print('nothing to see');
  expect(secret.length).toBeGreaterThanOrEqual(12);
  expect(findLeaks(`something ${secret} something`, [secret])).toEqual(['line 1: a password that was in use']);
  expect(findLeaksIn(inject('keptLogs')).files).toBeGreaterThan(0);
});

test('a statement that fails is logged without its values', async () => {
  let logged = '';
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged += chunk;
      done();
    },
  });
  const log = pino(logOptions('test', 'info'), sink);
  const connection = await mysql.createConnection({ uri: inject('mysqlUrl') });
  const failed = connection.query('INSERT INTO no_such_table (name, descriptor) VALUES (?, ?)', ['Ada', bytes]);
  const error = await failed.catch((reason: unknown) => reason);
  await connection.end();
  expect(error).toHaveProperty('sql', expect.stringContaining('Ada'));
  log.error({ err: error }, 'plain');
  log.error({ err: new Error('outer', { cause: error }) }, 'as a cause');
  log.error({ err: new AggregateError([error], 'several') }, 'among others');
  log.error(error);
  expect(logged).toContain('no_such_table');
  expect(logged).not.toContain('Ada');
  expect(findLeaks(logged)).toEqual([]);
});
