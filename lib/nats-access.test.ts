import { pino } from 'pino';
import { expect, test } from 'vitest';
import { openDatabase } from './database.ts';
import { ConfigError } from './env.ts';
import { connectionOptions, openNatsAccess } from './nats-access.ts';

const options = { log: pino({ level: 'silent' }), signal: AbortSignal.abort() };
const tls = { hasCertificate: false, hasAuthority: true, current: () => null, onChange: () => () => {} };

test.each(['nats://127.0.0.1:4222', 'nats://one.example,nats://[::1]:4222'])(
  'with TLS %s is refused: a certificate would be compared with "localhost"',
  async (NATS_URL) => {
    const config = { NATS_URL, NATS_TLS_CA_FILE: '/nowhere/ca.pem' };
    await expect(openNatsAccess('receiver', config, options)).rejects.toThrow(ConfigError);
    await expect(openNatsAccess('receiver', { NATS_URL }, options)).resolves.toMatchObject({ tls: null });
  },
);

test.each(['mysql://u:p@10.0.0.1/faceflow', 'mysql://u:p@[::1]:3306/faceflow'])('with TLS %s is refused', (url) => {
  expect(() => openDatabase(url, { tls })).toThrow(/MYSQL_URL: expected the name of a host/);
});

test('who we are comes from the URL, answers come to our own inbox', async () => {
  const access = await openNatsAccess('receiver', { NATS_URL: '' }, options);
  expect(connectionOptions('nats://receiver:a%40b@one:4222,nats://two:4222', access)).toMatchObject({
    servers: ['one:4222', 'two:4222'],
    ...{ user: 'receiver', pass: 'a@b', inboxPrefix: '_INBOX_receiver' },
  });
  expect(connectionOptions('nats://t0ken@one:4222')).toMatchObject({ token: 't0ken' });
  expect(connectionOptions('tls://one:4222')).toMatchObject({ tls: {} });
  expect(connectionOptions('nats://one:4222', { ...access, tls }).tls).toMatchObject({ ca: [] });
});
