import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ground, planFaults } from '../bench/chaos/plan.ts';
import { LINK_FAULTS, openTcpProxy, type TcpProxy } from '../bench/chaos/tcp-proxy.ts';
import { canUnpackOtherReleases } from '../cli/servers/debian-packages.ts';
import { waitFor } from './wait-for.ts';

const CHAOS = fileURLToPath(new URL('../dist/bench/chaos/main.js', import.meta.url));
/** A minute, and what a busy machine makes of it. */
const LONG_MS = 900_000;

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CHAOS, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

/** Every figure of the run, by name. */
function figuresOf({ code, stdout, stderr }: Run): Record<string, number> {
  if (code !== 0) throw new Error(`exit code ${code}\n${stdout}\n${stderr}`);
  const { figures } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  return Object.fromEntries(
    Object.entries(figures as Record<string, { value: number }>).map(([name, { value }]) => [name, value]),
  );
}

const NOTHING_LOST = { lost: 0, stuck: 0, answered_twice: 0, wrong: 0, event_faults: 0, pending: 0 };

describe('things go wrong under load', () => {
  test(
    'a minute of it: every kind of fault, and every accepted photo ends, once, as it should',
    async () => {
      const result = await run('--images', '160', '--faults', '10', '--seed', '5', '--json');
      const figures = figuresOf(result);
      expect({ figures, told: result.stdout }).toMatchObject({
        figures: { ...NOTHING_LOST, posted: 160, accepted: 160, faults: 10 },
      });
      expect(figures.matched).toBeGreaterThan(30);
      expect(figures.unreadable).toBeGreaterThan(60);
      for (const kind of ['kill', 'link', 'pause']) expect(result.stderr).toMatch(new RegExp(` s {2}${kind} `));
    },
    LONG_MS,
  );

  test.skipIf(!canUnpackOtherReleases())(
    'the writer of a Galera cluster and a server of a NATS cluster are killed',
    async () => {
      const result = await run(
        '--cluster',
        '--images',
        '60',
        '--faults',
        '3',
        '--only',
        'kill',
        '--seed',
        '4',
        '--json',
      );
      expect({ figures: figuresOf(result), told: result.stdout }).toMatchObject({
        figures: { ...NOTHING_LOST, posted: 60, accepted: 60, faults: 3 },
      });
      expect(result.stderr).toContain('kill galera-1');
      expect(result.stderr).toContain('kill nats-');
    },
    LONG_MS,
  );

  test.each([
    { args: ['--images', 'many'], says: '--images many: expected a whole number' },
    { args: ['--database', 'oracle'], says: '--database oracle: expected mariadb or mysql' },
    { args: ['--only', 'kill,rain'], says: '--only kill,rain: expected some of kill, pause, link, disk, clock' },
  ])('$args is refused', async ({ args, says }) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(1);
    expect(stderr).toContain(says);
  });
});

describe('the plan', () => {
  const ground: Ground = {
    processes: ['receiver-1', 'galera-1', 'galera-2'],
    links: ['nats', 'receiver'],
    clocks: ['receiver-1'],
    clusters: ['galera-'],
    disks: ['data'],
  };

  test('the same seed gives the same faults, another one others', () => {
    expect(planFaults(7, 30, ground)).toEqual(planFaults(7, 30, ground));
    expect(planFaults(8, 30, ground)).not.toEqual(planFaults(7, 30, ground));
    expect(new Set(planFaults(7, 30, ground).map(({ kind }) => kind))).toEqual(
      new Set(['kill', 'pause', 'link', 'disk', 'clock']),
    );
    expect(planFaults(7, 5, { ...ground, disks: [] }, ['disk'])).toEqual([]);
  });

  test('nothing is hit twice at once, and of a cluster never two', () => {
    const until = new Map<string, number>();
    for (const { target, atMs, ms } of planFaults(7, 200, ground)) {
      const group = target.startsWith('galera-') ? 'galera' : target;
      expect(atMs).toBeGreaterThan(until.get(group) ?? 0);
      until.set(group, atMs + ms);
    }
  });
});

describe('the TCP proxy', () => {
  let echo: Server;
  let proxy: TcpProxy;
  let clients: Socket[];

  beforeEach(async () => {
    echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    proxy = await openTcpProxy([{ host: '127.0.0.1', port: (echo.address() as AddressInfo).port }], () => 0.5);
    clients = [];
  });

  afterEach(async () => {
    for (const client of clients) client.destroy();
    await proxy.close();
    echo.close();
  });

  interface Client {
    readonly socket: Socket;
    /** Characters that came back. */
    received: number;
    /** How it was closed. */
    closed: string | null;
  }

  function open(): Client {
    const socket = connect(proxy.port, '127.0.0.1');
    const client: Client = { socket, received: 0, closed: null };
    clients.push(socket);
    socket.on('data', (data) => {
      client.received += data.length;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      client.closed = error.code ?? error.message;
    });
    socket.on('close', () => {
      client.closed ??= 'in order';
    });
    return client;
  }

  const comesBack = (client: Client, bytes: number) => waitFor(`${bytes} bytes`, () => client.received === bytes);

  test.each(LINK_FAULTS)('%s, and well again', async (how) => {
    const before = open();
    before.socket.write('hello');
    await comesBack(before, 5);
    await proxy.fail(how);
    const during = open();
    during.socket.write('x'.repeat(5_000));
    if (how === 'refused') {
      await waitFor('both to be refused', () => before.closed === 'ECONNRESET' && during.closed === 'ECONNREFUSED');
    } else if (how === 'cut') {
      await waitFor('a reset', () => during.closed === 'ECONNRESET');
      expect(during.received).toBeLessThan(5_000);
    } else if (how === 'slow') await comesBack(during, 5_000);
    else {
      before.socket.write('hello');
      await waitFor('a connection', () => during.socket.readyState === 'open');
      expect([before.received, during.received]).toEqual([5, 0]);
    }
    await proxy.fail(null);
    if (how === 'hung') {
      await comesBack(before, 10);
      await comesBack(during, 5_000);
    }
    const after = open();
    after.socket.write('hello');
    await comesBack(after, 5);
    after.socket.end();
    await waitFor('an end', () => after.closed === 'in order');
  });
});
