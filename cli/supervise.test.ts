import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LaunchError } from './launch-error.ts';
import { type Program, supervise } from './supervise.ts';

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'faceflow-unit-'));
  folders.push(folder);
  return folder;
}

function shell(script: string, program: Partial<Program> = {}): Program {
  return {
    name: 'it',
    command: '/bin/sh',
    args: ['-c', script],
    env: process.env,
    ready: async () => {},
    readyWithinMs: 5_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 2_000,
    ...program,
  };
}

const ignoring = { onLine: () => {}, onEvent: () => {} };

test('what dies is started again, and its last lines are told', async () => {
  const marks = join(makeFolder(), 'marks');
  const events: string[] = [];
  const script = `echo 'about to work'; echo start >> ${marks}; sleep 60`;
  const supervised = await supervise(shell(script, { ready: () => readFile(marks) }), {
    onLine: () => {},
    onEvent: ({ text }) => events.push(text),
  });
  const first = supervised.pid as number;
  process.kill(first, 'SIGKILL');
  await expect
    .poll(() => events)
    .toEqual([expect.stringMatching(/^was killed by SIGKILL.*about to work/s), 'runs again']);
  expect(supervised.pid).not.toBe(first);
  await expect.poll(async () => (await readFile(marks, 'utf8')).trim().split('\n')).toHaveLength(2);
  await supervised.stop();
  expect(supervised.pid).toBeNull();
});

test('what runs, but does not answer any more, is killed and started again', async () => {
  const events: string[] = [];
  let hangs = false;
  const alive = async () => {
    if (hangs) throw new Error('no answer');
  };
  const supervised = await supervise(shell("trap '' TERM; sleep 60 & wait", { alive, aliveEveryMs: 20 }), {
    onLine: () => {},
    onEvent: ({ text }) => {
      events.push(text);
      if (text.includes('SIGKILL')) hangs = false;
    },
  });
  const first = supervised.pid;
  hangs = true;
  await expect
    .poll(() => events)
    .toEqual([
      'does not answer any more (no answer); killing it',
      expect.stringContaining('was killed by SIGKILL'),
      'runs again',
    ]);
  expect(supervised.pid).not.toBe(first);
  supervised.kill();
});

test('what never becomes ready is an error with its output, and is stopped', async () => {
  const program = shell('echo no port; sleep 60', {
    ready: async () => {
      throw new Error('connection refused');
    },
    readyWithinMs: 1_000,
  });
  await expect(supervise(program, ignoring)).rejects.toThrow(/not ready after 1 s: connection refused.*no port/s);
});

test('what ends before it is ready is an error at once', async () => {
  const program = shell('echo bad configuration >&2; exit 3', {
    ready: async () => {
      throw new Error('connection refused');
    },
    readyWithinMs: 60_000,
  });
  const error = await supervise(program, ignoring).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(LaunchError);
  expect((error as Error).message).toMatch(/exited with code 3.*bad configuration/s);
});

test('a start can be given up', async () => {
  const giveUp = new AbortController();
  const never = shell('sleep 60', {
    ready: async () => {
      throw new Error('not yet');
    },
  });
  const starting = supervise(never, { ...ignoring, signal: giveUp.signal });
  setTimeout(() => giveUp.abort(), 100);
  await expect(starting).rejects.toHaveProperty('name', 'AbortError');
});
