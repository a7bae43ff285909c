import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NameServer, startNameServer } from '../bench/name-server.ts';
import { openRecognizerClient, type RecognizerClient } from '../processor/recognizer-client.ts';
import {
  type Answer,
  grpcError,
  type MisbehavingRecognizer,
  NOBODY,
  startMisbehavingRecognizer,
  status,
} from './misbehaving-recognizer.ts';
import { waitFor } from './wait-for.ts';

let names: NameServer;
let replicas: MisbehavingRecognizer[];
let clients: RecognizerClient[];
/** Of all replicas: one name has one port. */
let port: number;

beforeEach(async () => {
  names = await startNameServer([]);
  replicas = [];
  clients = [];
  port = 0;
});

afterEach(() => {
  for (const client of clients) client.close();
  for (const replica of replicas) replica.stop();
  names.close();
});

async function startReplica(answer?: Answer): Promise<MisbehavingRecognizer> {
  const replica = await startMisbehavingRecognizer(answer, port, `127.0.0.${11 + replicas.length}`);
  port = Number(replica.address.split(':')[1]);
  replicas.push(replica);
  return replica;
}

const hostOf = ({ address }: MisbehavingRecognizer) => address.split(':')[0] as string;

function connect(options: { address?: string; timeoutMs?: number } = {}): RecognizerClient {
  const { address = `dns://${names.address}/recognizer.test:${port}`, timeoutMs = 20_000 } = options;
  const client = openRecognizerClient({ address, timeoutMs, log: pino({ level: 'silent' }) });
  clients.push(client);
  return client;
}

/** Asks for photos, `atOnce` at a time, until it is stopped; what went wrong is kept. */
function keepAsking(client: RecognizerClient, atOnce: number) {
  const stopping = new AbortController();
  const failures: unknown[] = [];
  let answered = 0;
  const loops = Array.from({ length: atOnce }, async () => {
    while (!stopping.signal.aborted) {
      try {
        await client.identify('photo.jpg');
        answered += 1;
      } catch (error) {
        failures.push(error);
        await sleep(20);
      }
    }
  });
  return {
    failures,
    answered: () => answered,
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

const slowly: Answer = () => sleep(30, NOBODY);

describe('replicas behind one name', () => {
  test('share the work; one that is added has its part within seconds, while all goes well', async () => {
    const [first, second] = [await startReplica(slowly), await startReplica(slowly)];
    names.addresses = replicas.map(hostOf);
    const load = keepAsking(connect(), 12);
    await waitFor('work', () => load.answered() > 100);
    for (const { calls } of [first, second]) expect(calls.length).toBeGreaterThan(40);

    const added = await startReplica(slowly);
    names.addresses = replicas.map(hostOf);
    // Without a look at the name server it would be for ever: no connection is lost.
    await waitFor('work of the new one', () => added.calls.length > 20, 40_000);
    const before = replicas.map(({ calls }) => calls.length);
    await waitFor('more work', () => load.answered() > 300 + before.length);
    await load.stop();
    expect(load.failures).toEqual([]);
  });

  test.each(['die', 'stop'] as const)(
    'one that %ss under load takes no photo with it, and opens no breaker',
    async (end) => {
      const [dies, ...others] = [await startReplica(slowly), await startReplica(slowly), await startReplica(slowly)];
      names.addresses = replicas.map(hostOf);
      const client = connect();
      // Many more at once than failures in a row open the breaker.
      const load = keepAsking(client, 60);
      await waitFor('work', () => replicas.every(({ calls }) => calls.length > 50));
      dies[end]();
      const [before, callsBefore] = [load.answered(), dies.calls.length];
      await waitFor('work without it', () => load.answered() > before + 300);
      await load.stop();
      expect(load.failures).toEqual([]);
      expect(client.breaker.status()).toMatchObject({ state: 'closed' });
      expect(dies.calls).toHaveLength(callsBefore);
      expect(others.every(({ calls }) => calls.length > 100)).toBe(true);
    },
  );

  test('one that leaves the name gets nothing more, and finishes what it has', async () => {
    let finish = (): void => undefined;
    const finished = new Promise<typeof NOBODY>((resolve) => {
      finish = () => resolve(NOBODY);
    });
    const leaves = await startReplica(() => finished);
    names.addresses = [hostOf(leaves)];
    const client = connect();
    const inHand = client.identify('in-hand.jpg');
    await waitFor('the photo to be in hand', () => leaves.calls.length > 0);
    const stays = await startReplica();
    names.addresses = [hostOf(stays)];
    await waitFor('work elsewhere', async () => {
      await Promise.race([client.identify('another.jpg'), sleep(50)]);
      return stays.calls.length > 0;
    });
    const callsBefore = leaves.calls.length;
    for (let n = 0; n < 5; n++) await client.identify('more.jpg');
    expect(leaves.calls).toHaveLength(callsBefore);
    finish();
    expect(await inHand).toEqual(NOBODY);
    // It was not asked of another one.
    expect(stays.calls).not.toContain('in-hand.jpg');
  });

  test('a name that nobody has yet, or for a while, is asked for again', async () => {
    const replica = await startReplica();
    const client = connect();
    await expect(client.identify('early.jpg')).rejects.toThrow('No address of the recognizer could be found');
    names.addresses = [hostOf(replica)];
    // The next look at the name; a busy machine may not have come to it yet.
    const later = await waitFor('the name to be found', async () => {
      await sleep(1_500);
      return client.identify('later.jpg').catch(() => null);
    });
    expect(later).toEqual(NOBODY);
    names.addresses = [];
    await sleep(1_500);
    expect(await client.identify('then.jpg')).toEqual(NOBODY);
  });
});

describe('where one of several replicas', () => {
  const connectToAll = (timeoutMs?: number) =>
    connect({ address: replicas.map(({ address }) => address).join(), ...(timeoutMs && { timeoutMs }) });

  test.each([
    ['is full', grpcError(status.RESOURCE_EXHAUSTED, 'full')],
    ['does not tell why it is away', grpcError(status.UNAVAILABLE, 'away')],
  ])('%s, another one is asked', async (_, error) => {
    await startReplica(() => {
      throw error;
    });
    await startReplica();
    const client = connectToAll();
    await waitFor('connections to both', async () => {
      await client.identify('first.jpg').catch(() => null);
      return replicas.every(({ calls }) => calls.length > 0);
    });
    for (let n = 0; n < 20; n++) expect(await client.identify('photo.jpg')).toEqual(NOBODY);
    expect(client.breaker.status()).toMatchObject({ state: 'closed' });
  });

  test('says that the photo is to blame, or has cost it a worker, no other one is asked', async () => {
    const crashed = Object.assign(grpcError(status.UNAVAILABLE, 'its worker died'));
    (crashed as Error & { metadata: { set(key: string, value: string): void } }).metadata.set(
      'grpc-retry-pushback-ms',
      '-1',
    );
    for (const error of [grpcError(status.INVALID_ARGUMENT, 'no picture', 'image_unreadable'), crashed]) {
      for (const replica of replicas) replica.stop();
      replicas = [];
      port = 0;
      const refuse = () => {
        throw error;
      };
      await startReplica(refuse);
      await startReplica(refuse);
      await expect(connectToAll().identify('photo.jpg')).rejects.toThrow();
      expect(replicas.flatMap(({ calls }) => calls)).toHaveLength(1);
    }
  });

  test('hangs, the deadline is one, whoever was asked', async () => {
    await startReplica(async () => {
      await sleep(4_000);
      throw grpcError(status.UNAVAILABLE, 'away');
    });
    await startReplica(() => new Promise(() => {}));
    const client = connectToAll(5_000);
    await waitFor('connections', () =>
      client.identify('warm.jpg').catch(() => replicas.every((it) => it.calls.length)),
    );
    const startedAt = performance.now();
    await expect(client.identify('photo.jpg')).rejects.toThrow();
    // Two deadlines would be 9 s.
    expect(performance.now() - startedAt).toBeLessThan(8_800);
  });
});
