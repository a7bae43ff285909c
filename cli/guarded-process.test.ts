import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { spawnGuarded } from './guarded-process.ts';

const MODULE = new URL('./guarded-process.ts', import.meta.url).href;

/** A launcher of its own, in a process that can be killed: prints the pid of the program that it guards. */
const LAUNCHER = (script: string) => `
  import { spawnGuarded } from '${MODULE}';
  const guarded = await spawnGuarded('/bin/sh', ['-c', ${JSON.stringify(script)}], { env: process.env, killAfterMs: 1000 });
  console.log(guarded.pid);
  setInterval(() => {}, 1000);
`;

test('the program itself is the child: its exit code, its signals', async () => {
  const exiting = await spawnGuarded('/bin/sh', ['-c', 'exit 7'], { env: process.env, killAfterMs: 1_000 });
  expect(await exiting.ended).toEqual({ code: 7, signal: null });
  const sleeping = await spawnGuarded('sleep', ['60'], { env: process.env, killAfterMs: 1_000 });
  expect(await sleeping.stop('SIGTERM', 5_000)).toEqual({ code: null, signal: 'SIGTERM' });
});

test('a program that ignores SIGTERM is killed after the deadline', async () => {
  const script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
  const stubborn = await spawnGuarded('/bin/sh', ['-c', script], { env: process.env, killAfterMs: 1_000 });
  await once(stubborn.stdout, 'data');
  const begun = Date.now();
  expect(await stubborn.stop('SIGTERM', 300)).toEqual({ code: null, signal: 'SIGKILL' });
  expect(Date.now() - begun).toBeGreaterThanOrEqual(290);
});

test.each([
  ['asked to stop, and stops', 'sleep 60'],
  ['killed, when it does not stop', "trap '' TERM; while :; do sleep 0.1; done"],
])('when its launcher dies from SIGKILL, a program is %s', async (_, script) => {
  const launcher = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', LAUNCHER(script)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(launcher.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  await sleep(200); // Until the shell has set its trap.
  expect(isAlive(pid)).toBe(true);
  launcher.kill('SIGKILL');
  await expect.poll(() => isAlive(pid)).toBe(false);
});

test('a program that ends by itself takes its watcher along', async () => {
  const guarded = await spawnGuarded('sleep', ['0.1'], { env: process.env, killAfterMs: 60_000 });
  await guarded.ended;
  await expect.poll(() => isGroupAlive(guarded.pid)).toBe(false);
});

test('a command that does not exist ends with the code 127 of the shell', async () => {
  const missing = await spawnGuarded('/no/such/program', [], { env: process.env, killAfterMs: 1_000 });
  expect((await missing.ended).code).toBe(127);
});

/** A zombie is dead: how soon it is reaped is the business of this machine's init. */
function listProcesses(): { pid: number; group: number }[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,pgid=,stat='], { encoding: 'utf8' }).split('\n');
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , state]) => state && !state.startsWith('Z'))
    .map(([pid, group]) => ({ pid: Number(pid), group: Number(group) }));
}

function isAlive(pid: number): boolean {
  return listProcesses().some((it) => it.pid === pid);
}

function isGroupAlive(leader: number): boolean {
  return listProcesses().some((it) => it.group === leader);
}
