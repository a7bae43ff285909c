import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { chooseFreePort } from '../free-port.ts';
import { runCommand } from '../run-command.ts';
import { invoke, type ProgramPlace } from './database-program.ts';
import type { PreparedServer } from './database-server.ts';

interface NatsAccount {
  token: string;
  port: number;
  /** Of its health. */
  monitorPort?: number;
}

/** Starts the program with `--version` to see that it runs here; returns the version. */
export async function checkNatsProgram(place: ProgramPlace): Promise<string> {
  const { command, prefix, env } = invoke(place);
  const output = await runCommand(command, [...prefix, '--version'], { env: { ...process.env, ...env } });
  return /v([\d.]+)/.exec(output)?.[1] ?? 'unknown';
}

/** One server of a cluster on this machine. */
export interface NatsCluster {
  /** Of this server; each has its own. */
  readonly serverName: string;
  readonly token: string;
  /** Where this server listens to the others, and where they listen, itself among them. */
  readonly port: number;
  readonly ports: readonly number[];
}

/**
 * Makes `folder` hold a NATS server with JetStream and says how to run it: on a loopback port that stays the same as
 * long as it is free, with a token that only the folder's owner can read.
 */
export async function prepareNats(place: ProgramPlace, folder: string, cluster?: NatsCluster): Promise<PreparedServer> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const accountFile = join(folder, 'account.json');
  const known = await readFile(accountFile, 'utf8').then(
    (text) => JSON.parse(text) as NatsAccount,
    () => null,
  );
  const token = cluster?.token ?? known?.token ?? randomBytes(24).toString('hex');
  const port = await chooseFreePort(known?.port);
  const monitorPort = await chooseFreePort(known?.monitorPort);
  await writePrivately(accountFile, JSON.stringify({ token, port, monitorPort } satisfies NatsAccount, null, 2));
  const configuration = join(folder, 'nats.conf');
  await writePrivately(
    configuration,
    [
      `listen: "127.0.0.1:${port}"`,
      `http: "127.0.0.1:${monitorPort}"`,
      `server_name: ${cluster?.serverName ?? 'faceflow'}`,
      // Otherwise three quarters of what is free when it starts, for as long as it runs: nothing, where the disk was full then.
      `jetstream { store_dir: ${JSON.stringify(join(folder, 'jetstream'))}, max_file_store: 1TB }`,
      `authorization { token: "${token}" }`,
      ...(cluster ? [describeCluster(cluster)] : []),
    ].join('\n'),
  );
  const { command, prefix, env } = invoke(place);
  return {
    url: `nats://${token}@127.0.0.1:${port}`,
    program: {
      name: 'NATS',
      command,
      args: [...prefix, '-c', configuration],
      env: { ...process.env, ...env },
      cwd: folder,
      ready: () => askNats(port),
      readyWithinMs: 60_000,
      alive: (signal) => askStreams(monitorPort, signal),
      // SIGTERM ends it with exit code 1, SIGINT with 0; both in order.
      stopSignal: 'SIGINT',
      stopWithinMs: 10_000,
    },
  };
}

/** Clients are not told of the other servers: they know those of their URL. */
function describeCluster({ port, ports }: NatsCluster): string {
  const routes = ports.map((other) => `"nats-route://127.0.0.1:${other}"`).join(', ');
  return `cluster { name: faceflow, listen: "127.0.0.1:${port}", no_advertise: true, routes: [${routes}] }`;
}

async function writePrivately(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, `${text}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** Throws unless a NATS server with JetStream greets on the port: its first line is INFO and a JSON object. */
export async function askNats(port: number, host = '127.0.0.1'): Promise<void> {
  const greeting = await readGreeting(port, host);
  const [, json] = /^INFO (\{.*\})/.exec(greeting) ?? [];
  if (!json) throw new Error(`${host}:${port} is not a NATS server`);
  if ((JSON.parse(json) as { jetstream?: boolean }).jetstream !== true) {
    throw new Error(`the NATS server at ${host}:${port} runs without JetStream (start it with -js)`);
  }
}

/**
 * Throws unless the server can say how its streams are. A server that has had a full disk may not any more (2.9.10 waits for a
 * lock that it holds itself), while it greets, and calls itself healthy.
 */
async function askStreams(monitorPort: number, signal: AbortSignal): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${monitorPort}/jsz?accounts=true&streams=true`, { signal });
  if (!response.ok) throw new Error(`its monitor answers ${response.status}`);
  await response.arrayBuffer();
}

function readGreeting(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, timeout: 5_000 });
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) socket.destroy();
    });
    socket.on('timeout', () => socket.destroy(new Error(`no answer from ${host}:${port}`)));
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}
