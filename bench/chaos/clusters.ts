import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { chooseFreePort } from '../../cli/free-port.ts';
import { describeDatabaseProgram, invoke } from '../../cli/servers/database-program.ts';
import { askDatabase, prepareDatabase } from '../../cli/servers/database-server.ts';
import { canUnpackOtherReleases, unpackDebianPackages } from '../../cli/servers/debian-packages.ts';
import { findOnPath } from '../../cli/servers/find-program.ts';
import { findPrograms } from '../../cli/servers/find-server-programs.ts';
import { prepareNats } from '../../cli/servers/nats-server.ts';
import type { Program } from '../../cli/supervise.ts';
import { type Database, openDatabase, type Row } from '../../lib/database.ts';
import type { Servers } from './servers.ts';
import type { Place } from './tcp-proxy.ts';

const NODES = 3;
const CLUSTER_PACKAGES = ['mariadb-server', 'galera-4'];

export interface ClusterOptions {
  readonly folder: string;
  readonly cacheFolder: string;
  readonly say: (line: string) => void;
}

interface Node {
  readonly name: string;
  readonly program: Program;
  readonly place: Place;
  readonly url: string;
}

/**
 * Three MariaDB servers as a Galera cluster behind haproxy, which sends everything to one of them, and three NATS servers that
 * keep every stream together.
 *
 * @throws where Debian's packages cannot be had
 */
export async function describeClusters(options: ClusterOptions): Promise<Servers> {
  if (!canUnpackOtherReleases()) throw new Error('Galera and haproxy are taken from Debian; this machine is none.');
  const galera = await describeGalera(options);
  const health = await serveHealth(galera.nodes);
  const haproxy = await describeHaproxy(options, galera.nodes, health.ports);
  const nats = await describeNats(options);
  const url = new URL(galera.nodes[0]?.url ?? '');
  url.host = `${haproxy.place.host}:${haproxy.place.port}`;
  return {
    programs: [
      ...galera.nodes.map(({ name, program }) => ({ name, program, isVictim: true })),
      { name: 'haproxy', program: haproxy.program, isVictim: false },
      ...nats.nodes.map(({ name, program }) => ({ name, program, isVictim: true })),
    ],
    mysqlUrl: url.href,
    natsUrl: nats.nodes.map((node) => node.url).join(','),
    natsPlaces: nats.nodes.map(({ place }) => place),
    natsToken: nats.token,
    replicas: NODES,
    description: `Galera of ${NODES} × MariaDB ${galera.version} behind haproxy, ${NODES} × ${nats.description}`,
    close: health.close,
  };
}

async function describeGalera({ folder, cacheFolder, say }: ClusterOptions) {
  say('unpacking MariaDB with Galera');
  const { root, ldLibraryPath } = await unpackDebianPackages(CLUSTER_PACKAGES, { cacheFolder });
  const program = await describeDatabaseProgram({ file: join(root, 'usr/sbin/mariadbd'), ldLibraryPath });
  const hosts = Array.from({ length: NODES }, (_, index) => `127.0.0.${11 + index}`);
  const ports = await Promise.all(hosts.map(() => chooseFreePort()));
  const members = hosts.map((host, index) => `${host}:${ports[index]}`).join(',');
  say('making the database');
  const first = await prepareDatabase(program, join(folder, 'galera-1'));
  // The scripts that copy a server's data look for their tools on the PATH.
  const tools = await writeTools(folder, cacheFolder);
  const path = `${tools}:${join(root, 'usr/bin')}:${join(root, 'usr/sbin')}:${process.env.PATH}`;
  const nodes: Node[] = [];
  for (const [index, host] of hosts.entries()) {
    const name = `galera-${index + 1}`;
    const data = join(folder, name, 'data');
    const temporary = join(folder, name, 'temporary');
    await mkdir(data, { recursive: true, mode: 0o700 });
    await mkdir(temporary, { recursive: true });
    const place = { host, port: await chooseFreePort() };
    const url = new URL(first.url);
    url.host = `${host}:${place.port}`;
    const [istPort, sstPort] = [await chooseFreePort(), await chooseFreePort()];
    const provider = [
      `gmcast.listen_addr=tcp://${host}:${ports[index]}`,
      `ist.recv_addr=${host}:${istPort}`,
      'gcache.size=32M',
      'evs.keepalive_period=PT0.3S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S',
    ];
    const args = [
      // Later words win: what a server of its own would be started with, then what makes it one of three.
      ...first.program.args.filter((word) => word !== '--skip-log-bin'),
      ...[`--datadir=${data}`, `--tmpdir=${temporary}`, `--bind-address=${host}`, `--port=${place.port}`],
      ...['--binlog-format=ROW', '--default-storage-engine=InnoDB', '--innodb-autoinc-lock-mode=2', '--wsrep-on=ON'],
      // Whoever judges the run makes a trigger.
      '--log-bin-trust-function-creators=ON',
      `--wsrep-provider=${join(root, 'usr/lib/galera/libgalera_smm.so')}`,
      `--wsrep-provider-options=${provider.join(';')}`,
      ...[`--wsrep-node-name=${name}`, `--wsrep-node-address=${host}`, '--wsrep-cluster-name=faceflow'],
      ...['--wsrep-sst-method=rsync', `--wsrep-sst-receive-address=${host}:${sstPort}`],
    ];
    const joining = [...args, `--wsrep-cluster-address=gcomm://${members}`];
    const node: Program = {
      ...first.program,
      name,
      cwd: data,
      env: { ...first.program.env, PATH: path },
      // The first start of the first node makes the cluster; every later one joins it.
      args: index === 0 ? [...args, '--wsrep-cluster-address=gcomm://'] : joining,
      ready: async () => {
        await askDatabase(url.href);
        node.args = joining;
      },
      readyWithinMs: 90_000,
    };
    nodes.push({ name, program: node, place, url: url.href });
  }
  return { nodes, version: program.version };
}

/**
 * A folder for the PATH, before all others. Root's rsync, as a daemon, would write as nobody, into a folder that is not theirs;
 * the script that starts it leaves no other way to say so.
 */
async function writeTools(folder: string, cacheFolder: string): Promise<string> {
  const tools = join(folder, 'tools');
  await mkdir(tools);
  const unpacked = async () => join((await unpackDebianPackages(['rsync'], { cacheFolder })).root, 'usr/bin/rsync');
  const rsync = findOnPath('rsync') ?? (await unpacked());
  const asDaemon = process.getuid?.() === 0 ? await runRootsDaemon(rsync) : '';
  await writeFile(join(tools, 'rsync'), `#!/bin/sh\n${asDaemon}exec ${rsync} "$@"\n`, { mode: 0o755 });
  return tools;
}

async function runRootsDaemon(rsync: string): Promise<string> {
  // Whoever is root in a user namespace only (small-disk.ts) must not choose groups, as rsync does when it is root.
  const groups = await readFile('/proc/self/setgroups', 'utf8').catch(() => 'allow');
  const command = groups.startsWith('deny')
    ? `exec unshare --user --map-user=1000 --map-group=1000 ${rsync} "$@"`
    : 'set -- "$@" --dparam=uid=0 --dparam=gid=0';
  return `case " $* " in *" --daemon "*) ${command};; esac\n`;
}

/** What haproxy asks, as Percona's clustercheck answers it: for each node a port that says whether it takes statements. */
async function serveHealth(nodes: readonly Node[]): Promise<{ ports: number[]; close: () => Promise<void> }> {
  const databases = nodes.map(({ url }) => openDatabase(url, { connections: 2 }));
  const servers = databases.map((database) =>
    createServer(async (_request, response) => {
      const synced = await isSynced(database).catch(() => false);
      response.writeHead(synced ? 200 : 503).end();
    }),
  );
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ports: servers.map((server) => (server.address() as { port: number }).port),
    async close() {
      for (const server of servers) server.close().closeAllConnections();
      await Promise.allSettled(databases.map((database) => database.close()));
    },
  };
}

async function isSynced(database: Database): Promise<boolean> {
  const [rows] = await database.query<Row[]>(
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_local_state')",
  );
  const values = new Map(rows.map((row) => [row.Variable_name, row.Value]));
  return values.get('wsrep_ready') === 'ON' && values.get('wsrep_local_state') === '4';
}

/** One writer: the first node that is well; the others are there in case it is not. */
async function describeHaproxy(
  { folder, cacheFolder }: ClusterOptions,
  nodes: readonly Node[],
  healthPorts: readonly number[],
) {
  const { root, ldLibraryPath } = await unpackDebianPackages(['haproxy'], { cacheFolder });
  const port = await chooseFreePort();
  const file = join(folder, 'haproxy.cfg');
  const servers = nodes.map(({ name, place }, index) => {
    const check = `check addr 127.0.0.1 port ${healthPorts[index]} inter 500 fall 2 rise 2`;
    const marks = 'on-marked-down shutdown-sessions on-marked-up shutdown-backup-sessions';
    return `  server ${name} ${place.host}:${place.port} ${check} ${marks}${index === 0 ? '' : ' backup'}`;
  });
  const lines = [
    ...['global', '  maxconn 500', 'defaults', '  mode tcp'],
    ...['connect 1s', 'check 1s', 'client 10m', 'server 10m'].map((timeout) => `  timeout ${timeout}`),
    ...['listen mysql', `  bind 127.0.0.1:${port}`, '  option httpchk GET /', ...servers, ''],
  ];
  await writeFile(file, lines.join('\n'));
  const { command, prefix, env } = invoke({ file: join(root, 'usr/sbin/haproxy'), ldLibraryPath });
  const place: Place = { host: '127.0.0.1', port };
  const program: Program = {
    name: 'haproxy',
    command,
    args: [...prefix, '-db', '-f', file],
    env: { ...process.env, ...env },
    ready: () => untilConnected(place),
    readyWithinMs: 20_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
  };
  return { program, place };
}

function untilConnected(place: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...place });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

async function describeNats({ folder, cacheFolder, say: report }: ClusterOptions) {
  const databaseFolder = join(folder, 'galera-1');
  const found = await findPrograms({ needDatabase: false, needNats: true, databaseFolder, cacheFolder, report });
  if (found.nats === null) throw new Error('The NATS server is missing.');
  const token = randomBytes(24).toString('hex');
  const ports = await Promise.all(Array.from({ length: NODES }, () => chooseFreePort()));
  const nodes: Node[] = [];
  for (const [index, port] of ports.entries()) {
    const serverName = `nats-${index + 1}`;
    const prepared = await prepareNats(found.nats.place, join(folder, serverName), { serverName, token, port, ports });
    const { hostname: host, port: clientPort } = new URL(prepared.url);
    nodes.push({
      name: serverName,
      program: prepared.program,
      place: { host, port: Number(clientPort) },
      url: prepared.url,
    });
  }
  return { nodes, token, description: found.nats.description };
}
