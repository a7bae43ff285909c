import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Log } from '../lib/log.ts';
import { type KeptTls, keepTls } from '../lib/tls-files.ts';
import { DescribeResponse, IdentifyResponse, MatchResponse } from '../proto/face.ts';
import { openRecognizerClient } from '../receiver/recognizer-client.ts';
import { serveRecognizer } from '../recognizer/server.ts';
import { type Authority, type Certified, createAuthority, writeTlsFiles } from './certificates.ts';
import { waitFor } from './wait-for.ts';

let folder: string;
let authority: Authority;
let folders = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-tls-'));
  authority = createAuthority('Faceflow test authority');
});
afterAll(() => rm(folder, { recursive: true }));

/** A log that is kept. */
function keepLog(): { log: Log; lines: () => string } {
  let lines = '';
  const write = (line: string) => {
    lines += line;
  };
  return { log: pino({ level: 'debug' }, { write }), lines: () => lines };
}

/** The files of one process, followed until the test ends; `write` replaces them. */
async function openTls(side: 'caller' | 'server', own: Certified, options: { ca?: Authority | null } = {}) {
  const { log, lines } = keepLog();
  const place = join(folder, String(folders++));
  const ca = options.ca ?? authority;
  const files = await writeTlsFiles(place, ca.cert, own);
  const config = {
    GRPC_TLS_CA_FILE: options.ca === null ? undefined : files.ca,
    GRPC_TLS_CERT_FILE: files.cert,
    GRPC_TLS_KEY_FILE: files.key,
  };
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const tls = (await keepTls('GRPC', config, { side, log, signal: stop.signal, pollMs: 20 })) as KeptTls;
  return { tls, lines, files, write: (to: Certified, by = authority) => writeTlsFiles(place, by.cert, to) };
}

async function serve(tls: KeptTls | null) {
  const { log, lines } = keepLog();
  const server = await serveRecognizer({ host: '127.0.0.1', port: 0, maxImageBytes: 1000, tls, log });
  server.becomeReady({
    identify: async () => IdentifyResponse.fromPartial({ recognition: {} }),
    match: async () => MatchResponse.fromPartial({}),
    describe: async () => DescribeResponse.fromPartial({}),
  });
  onTestFinished(() => server.close());
  return { port: server.port, lines };
}

const signal = new AbortController().signal;

function connect(port: number, tls: KeptTls | null) {
  const client = openRecognizerClient({ address: `localhost:${port}`, timeoutMs: 20_000, tls });
  return {
    /** What went wrong with a call, or 'answered'. */
    ask: () =>
      client.identify({ path: 'x.jpg' }, signal).then(
        () => 'answered',
        (error: Error) => error.message,
      ),
    close: client.close,
  };
}

/** The same, on a connection of its own. */
async function ask(port: number, tls: KeptTls | null): Promise<string> {
  const { ask: call, close } = connect(port, tls);
  return call().finally(close);
}

const certificate = (...names: string[]) => authority.issue(names);

const config = { GRPC_TLS_CA_FILE: '/ca.pem', GRPC_TLS_CERT_FILE: '/cert.pem', GRPC_TLS_KEY_FILE: '/key.pem' };

test.each([
  ['caller', { ...config, GRPC_TLS_CA_FILE: undefined }, 'GRPC_TLS_CA_FILE'],
  ['caller', { ...config, GRPC_TLS_KEY_FILE: undefined }, 'GRPC_TLS_KEY_FILE'],
  ['server', { ...config, GRPC_TLS_CERT_FILE: undefined }, 'GRPC_TLS_CERT_FILE'],
  ['server', { GRPC_TLS_CA_FILE: '/ca.pem' }, 'GRPC_TLS_KEY_FILE'],
] as const)('a %s is told which file is missing', async (side, given, missing) => {
  const { log } = keepLog();
  await expect(keepTls('GRPC', given, { side, log, signal })).rejects.toThrow(`${missing}: expected a file`);
});

describe('gRPC', () => {
  test('with certificates of one authority on both sides calls are answered', async () => {
    const server = await serve((await openTls('server', certificate('localhost'))).tls);
    const caller = await openTls('caller', certificate('processor'));
    expect(await ask(server.port, caller.tls)).toBe('answered');
  });

  test('a recognizer without an authority asks for no certificate', async () => {
    const server = await serve((await openTls('server', certificate('localhost'), { ca: null })).tls);
    const { files } = await openTls('caller', certificate('processor'));
    const tls = await keepTls('GRPC', { GRPC_TLS_CA_FILE: files.ca }, { log: keepLog().log, signal });
    expect(await ask(server.port, tls)).toBe('answered');
    expect(await ask(server.port, null)).toMatch(/cannot be reached/);
  });

  test('who has no certificate, or one of somebody else, or an expired one, is not answered', async () => {
    const own = await openTls('server', certificate('localhost'));
    const expired = await openTls('caller', authority.issue(['processor'], { expired: true }));
    const foreign = await openTls('caller', createAuthority('somebody else').issue(['processor']));
    const ca = { GRPC_TLS_CA_FILE: expired.files.ca };
    const without = await keepTls('GRPC', ca, { log: keepLog().log, signal });
    for (const tls of [null, without, foreign.tls, expired.tls]) {
      const server = await serve(own.tls);
      expect(await ask(server.port, tls)).toMatch(/cannot be reached/);
      await waitFor('the recognizer to say so', () => server.lines().includes('a caller was refused'));
    }
    expect(expired.lines()).toContain('our certificate has expired');
  });

  test('a recognizer of another name, of another authority, expired or without TLS is not trusted', async () => {
    const caller = await openTls('caller', certificate('processor'));
    const cases: [Certified | null, RegExp][] = [
      [certificate('elsewhere'), /does not match/],
      [createAuthority('somebody else').issue(['localhost']), /unable to|self.signed/],
      [authority.issue(['localhost'], { expired: true }), /expired/],
      [null, /cannot be reached/],
    ];
    for (const [own, problem] of cases) {
      const server = await serve(own && (await openTls('server', own)).tls);
      expect(await ask(server.port, caller.tls)).toMatch(problem);
    }
  });

  test('renewed certificates, of a new authority too, are used by new connections; open ones go on', async () => {
    const own = await openTls('server', certificate('localhost'));
    const caller = await openTls('caller', certificate('processor'));
    const { port } = await serve(own.tls);
    const open = connect(port, caller.tls);
    onTestFinished(open.close);
    expect(await open.ask()).toBe('answered');

    const next = createAuthority('the next authority');
    await own.write(next.issue(['localhost']), next);
    await waitFor('the recognizer to use them', async () => (await ask(port, caller.tls)) !== 'answered');
    expect(await open.ask()).toBe('answered');

    await caller.write(next.issue(['processor']), next);
    await waitFor('the caller to use them', async () => (await ask(port, caller.tls)) === 'answered');
    expect(await open.ask()).toBe('answered');
  });

  test('a certificate that does not go with its key is told, and not used', async () => {
    const own = await openTls('server', certificate('localhost'));
    const caller = await openTls('caller', certificate('processor'));
    const { port } = await serve(own.tls);
    await writeFile(own.files.cert, certificate('localhost').cert);
    await waitFor('the problem to be told', () => own.lines().includes('the TLS files cannot be used'));
    expect(await ask(port, caller.tls)).toBe('answered');
    await own.write(certificate('elsewhere'));
    await waitFor('the next pair to be used', async () => /does not match/.test(await ask(port, caller.tls)));
  });

  test('a recognizer whose files are not there yet answers nobody until they are', async () => {
    const own = await openTls('server', { cert: 'not yet', key: '' });
    const caller = await openTls('caller', certificate('processor'));
    const { port } = await serve(own.tls);
    expect(own.lines()).toContain('the TLS files cannot be used');
    expect(await ask(port, caller.tls)).toMatch(/cannot be reached/);
    await own.write(certificate('localhost'));
    await waitFor('calls to be answered', async () => (await ask(port, caller.tls)) === 'answered');
  });
});
