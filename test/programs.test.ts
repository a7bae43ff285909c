import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseFreePort } from '../cli/free-port.ts';
import { spawnGuarded } from '../cli/guarded-process.ts';
import { findOnPath } from '../cli/servers/find-program.ts';
import { ROUTE_ACCESS } from '../receiver/access/route-roles.ts';
import { OPERATION_IDS } from '../receiver/openapi/operation-ids.ts';
import type { Json } from './ask.ts';
import { blockWith, readCodeBlocks } from './code-blocks.ts';
import { type PeopleServices, startPeopleServices } from './people-services.ts';
import { waitFor } from './wait-for.ts';

const PROJECT = join(import.meta.dirname, '..');
const python = findOnPath('python3');
const curl = findOnPath('curl');
const run = promisify(execFile);

let services: PeopleServices;
/** Where the programs are written to and run. */
let folder: string;
let env: Record<string, string>;
let ports: Record<'ts' | 'python', number>;

beforeAll(async () => {
  ports = { ts: await chooseFreePort(), python: await chooseFreePort() };
  const hosts = Object.values(ports).map((port) => `127.0.0.1:${port}`);
  services = await startPeopleServices({
    receiver: { WEBHOOK_PRIVATE_HOSTS: hosts.join(), WEBHOOK_SECRET: 'for nobody but the tests of examples' },
  });
  await copyFile(join(services.photos, 'a.jpg'), join(services.photos, 'ada.jpg'));
  await copyFile(join(services.photos, 'sample4.jpg'), join(services.photos, 'party.jpg'));
  folder = await mkdtemp(join(tmpdir(), 'faceflow-programs-'));
  await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  const { PATH = '', HOME = '' } = process.env;
  env = { PATH, HOME, FACEFLOW_URL: services.url, NO_COLOR: '1' };
});

afterAll(async () => {
  await services?.stop();
  await rm(folder, { recursive: true });
});

const runIn = (program: string, ...args: string[]) => run(program, args, { cwd: folder, env });

describe('the description of the API', () => {
  let document: Json;
  beforeAll(async () => {
    document = (await services.call('GET', '/openapi.json')).body;
  });

  test('each route has a name of its own, and no name is left over', () => {
    const ids = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations as Record<string, { operationId: string }>).map(([method, { operationId }]) => [
        `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
        operationId,
      ]),
    );
    expect(Object.fromEntries(ids)).toEqual(OPERATION_IDS);
    expect(new Set(Object.values(OPERATION_IDS)).size).toBe(ids.length);
    for (const route of Object.keys(ROUTE_ACCESS))
      if (route !== 'GET /openapi.json') expect(OPERATION_IDS).toHaveProperty([route]);
  });

  test('every answer has a schema, every error the same one, and what is not used is not in it', () => {
    const text = JSON.stringify(document);
    for (const [path, operations] of Object.entries<object>(document.paths)) {
      for (const [method, { responses }] of Object.entries<{ responses: Record<string, { content?: object }> }>({
        ...operations,
      } as never)) {
        for (const [status, { content }] of Object.entries(responses)) {
          const hasBody = !['204', '302'].includes(status);
          expect(content !== undefined, `${method} ${path} ${status}`).toBe(hasBody);
        }
        expect(responses['4XX']).toMatchObject({
          content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorAnswer' } } },
        });
      }
    }
    for (const name of Object.keys(document.components.schemas)) {
      expect(text).toContain(`"#/components/schemas/${name}"`);
      expect(name).not.toMatch(/Input$/);
    }
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(document.components.schemas).toHaveProperty([name as string]);
    }
  });
});

test('a client is generated from it, has types that hold, and is used for a whole round', async () => {
  const shell = await readCodeBlocks('docs/api.md', 'bash');
  await runIn('bash', '-ec', blockWith(shell, 'swagger-typescript-api'));
  const programs = await readCodeBlocks('docs/api.md', 'ts');
  await writeFile(join(folder, 'round.ts'), blockWith(programs, "from './client.ts'"));
  await writeFile(join(folder, 'webhook.ts'), blockWith(programs, 'createServer'));
  // What is not in the description must be noticed.
  const wrong = "import { Api } from './client.ts';\nnew Api().images.submitImage({ paht: 'a.jpg' });\n";
  await writeFile(join(folder, 'wrong.ts'), wrong);
  const flags = '--noEmit --strict --skipLibCheck --target es2023 --module nodenext --allowImportingTsExtensions';
  const libraries = '--types node --lib es2023,dom,dom.iterable';
  const given = [...`${flags} ${libraries}`.split(' '), 'round.ts', 'webhook.ts', 'wrong.ts'];
  const checked = await runIn('node_modules/.bin/tsc', ...given).catch((error) => error);
  expect(checked.stdout.trim().split('\n')).toEqual([
    expect.stringMatching(/^wrong\.ts.*'paht' does not exist in type 'PhotoPath'/),
  ]);
  const { stdout } = await runIn('node_modules/.bin/tsx', 'round.ts');
  expectRound(stdout);
  expect(stdout).toContain('1 photo of Ada Lovelace is enrolled');
  expect(stdout).toContain('1 photo shows Ada Lovelace');
  expect(stdout).toMatch(/\d faces, 1 known/);
  expect(stdout).toContain('0 images are looked at again');
});

test.skipIf(python === null)('the same round in Python', async () => {
  const round = blockWith(await readCodeBlocks('docs/api.md', 'python'), 'Ada Lovelace');
  await writeFile(join(folder, 'round.py'), round);
  expectRound((await runIn('python3', 'round.py')).stdout);
});

function expectRound(stdout: string): void {
  expect(stdout).toMatch(/^Ada Lovelace (0\.\d+|1)/m);
  expect(stdout).toMatch(/^somebody (null|None)/m);
  expect(stdout).toMatch(/[1-9]\d* descriptors are erased/);
  expect(stdout).toContain('404 image_not_found');
}

test.skipIf(curl === null)('the same round with curl', async () => {
  const block = blockWith(await readCodeBlocks('docs/api.md', 'bash'), 'ada=$(');
  const { stdout } = await runIn('bash', '-euc', block);
  expect(stdout).toContain('"person":{"id":');
  expect(stdout).toContain('"name":"Ada Lovelace"');
  expect(stdout).toContain('"digest":"');
  expect((await readFile(join(folder, 'party-small.jpg'))).subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
  expect((await services.call('GET', '/v1/people')).body.people).toEqual([]);
});

describe('programs that are told', () => {
  test('in TypeScript', () => isTold('ts', 'webhook.ts', ['node_modules/.bin/tsx', 'webhook.ts']));
  test.skipIf(python === null)('in Python', () => isTold('python', 'webhook.py', ['python3', 'webhook.py']));

  async function isTold(language: 'ts' | 'python', file: string, [program = '', ...args]: string[]) {
    const port = ports[language];
    const url = `http://127.0.0.1:${port}/`;
    await writeFile(
      join(folder, file),
      blockWith(await readCodeBlocks('docs/api.md', language), 'FACEFLOW_WEBHOOK_SECRET'),
    );
    const { id, secret } = (await services.call('POST', '/v1/webhooks', { url })).body;
    const told = await spawnGuarded(program, args, {
      ...{ cwd: folder, killAfterMs: 5_000 },
      env: { ...env, FACEFLOW_WEBHOOK_SECRET: secret, PORT: String(port) },
    });
    let output = '';
    for (const stream of [told.stdout, told.stderr]) {
      stream.on('data', (some) => {
        output += some;
      });
    }
    let hasEnded = false;
    void told.ended.then(() => {
      hasEnded = true;
    });
    try {
      await waitFor('it to listen', () => {
        if (hasEnded) throw new Error(`it has ended: ${output}`);
        return output.includes('listening');
      });
      expect((await services.call('POST', `/v1/webhooks/${id}/test`)).body).toMatchObject({ delivered: true });
      const { body: person } = await services.call('POST', '/v1/people', { name: `told in ${language}` });
      await waitFor('the person', () => output.includes('person.changed'));
      expect(output).toMatch(/webhook\.test \{ ?['"]?webhookId/);
      await services.call('DELETE', `/v1/people/${person.id}`);
      await waitFor('the end of the person', () => output.includes('person.removed'));
      const forged = await fetch(url, {
        ...{ method: 'POST', body: '{"type":"person.removed","timestamp":"","data":{}}' },
        headers: {
          ...{ 'webhook-id': 'x', 'webhook-timestamp': String(Math.floor(Date.now() / 1000)) },
          'webhook-signature': 'v1,AAAA',
        },
      });
      expect(forged.status).toBe(400);
    } finally {
      await told.stop('SIGTERM', 2_000);
      await services.call('DELETE', `/v1/webhooks/${id}`);
    }
  }
});
