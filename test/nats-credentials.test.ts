import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, nkeys } from '@nats-io/transport-node';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { chooseFreePort } from '../cli/free-port.ts';
import { invoke } from '../cli/servers/database-program.ts';
import { findPrograms } from '../cli/servers/find-server-programs.ts';
import { askNats } from '../cli/servers/nats-server.ts';
import { supervise } from '../cli/supervise.ts';
import { openImageQueue } from '../lib/image-queue.ts';
import { connectionOptions, openNatsAccess } from '../lib/nats-access.ts';
import { testCacheFolder } from './servers.ts';
import { waitFor } from './wait-for.ts';

/** A server that lets in one nkey. */
async function startNats(folder: string, publicKey: string): Promise<string> {
  const { nats } = await findPrograms({
    ...{ needDatabase: false, needNats: true, databaseFolder: folder },
    ...{ cacheFolder: testCacheFolder(), report: () => {} },
  });
  if (nats === null) throw new Error('there is no nats-server');
  const { command, prefix, env } = invoke(nats.place);
  const port = await chooseFreePort();
  const file = join(folder, 'nats.conf');
  const store = JSON.stringify(join(folder, 'data'));
  await writeFile(
    file,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${store} }\nauthorization { users: [{ nkey: ${publicKey} }] }\n`,
  );
  const server = await supervise(
    {
      ...{ name: 'NATS', command, args: [...prefix, '-c', file], env: { ...process.env, ...env }, cwd: folder },
      ...{ ready: () => askNats(port), readyWithinMs: 60_000, stopSignal: 'SIGINT', stopWithinMs: 10_000 },
    },
    { onLine: () => {}, onEvent: ({ text }) => console.warn(text) },
  );
  onTestFinished(() => server.stop());
  return `nats://127.0.0.1:${port}`;
}

test('a file of credentials is read at every connection: a wrong one is waited for, and another one is used', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-nkey-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const user = nkeys.createUser();
  const seed = new TextDecoder().decode(user.getSeed());
  const NATS_URL = await startNats(folder, user.getPublicKey());
  const NATS_CREDS_FILE = join(folder, 'receiver.nk');
  const log = pino({ level: 'silent' });
  const access = await openNatsAccess(
    'receiver',
    { NATS_URL, NATS_CREDS_FILE },
    { log, signal: AbortSignal.timeout(1) },
  );
  const tryToConnect = () => connect({ ...connectionOptions(NATS_URL, access), reconnect: false });

  await expect(tryToConnect()).rejects.toThrow(/ENOENT/);
  await writeFile(NATS_CREDS_FILE, 'nonsense');
  await expect(tryToConnect()).rejects.toThrow(/neither credentials nor the seed/);
  await writeFile(NATS_CREDS_FILE, new TextDecoder().decode(nkeys.createUser().getSeed()));
  await expect(tryToConnect()).rejects.toThrow(/authorization/i);

  const queue = openImageQueue({ url: NATS_URL, access, stream: 'IMAGES', consumer: 'processor', log });
  onTestFinished(() => queue.close());
  await writeFile(NATS_CREDS_FILE, `# the receiver's\n${seed}\n`);
  await waitFor('the queue to be there', () =>
    queue.ping().then(
      () => true,
      () => false,
    ),
  );
  expect(await queue.enqueue([1])).toEqual([1]);
});
