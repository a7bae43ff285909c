import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

/** Runs a small service in a process of its own: what is tested is how a process ends. */
async function runService(body: string, signal?: NodeJS.Signals) {
  const script = `
    import { run } from './lib/run.ts';
    import { createLog } from './lib/log.ts';
    const say = (text) => process.stdout.write(text + '\\n');
    await run(createLog('test', { level: 'silent', format: 'json' }), { shutdownTimeoutMs: 300 }, async (life) => { ${body} });
  `;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
    if (signal && String(data).includes('started')) child.kill(signal);
  });
  const [code] = await once(child, 'exit');
  return { code, lines: output.trim().split('\n') };
}

const ALIVE = 'setInterval(() => {}, 1000);';

test('a signal closes the parts in reverse order and exits with 0', async () => {
  const body = `${ALIVE}
    life.signal.addEventListener('abort', () => say('aborted'));
    life.onClose('database', async () => say('database'));
    life.onClose('server', () => say('server'));
    say('started');`;
  const { code, lines } = await runService(body, 'SIGTERM');
  expect(lines).toEqual(['started', 'aborted', 'server', 'database']);
  expect(code).toBe(0);
});

test('a start that fails closes what was opened and exits with 1', async () => {
  const { code, lines } = await runService(`life.onClose('a', () => say('closed a')); throw new Error('no');`);
  expect(lines).toEqual(['closed a']);
  expect(code).toBe(1);
});

test('a part that breaks later, or an error that nobody caught, stops the service with 1', async () => {
  const broken = await runService(`${ALIVE} life.onClose('a', () => say('closed a')); life.fail(new Error('broken'));`);
  expect(broken).toEqual({ code: 1, lines: ['closed a'] });
  const uncaught = await runService(
    `${ALIVE} life.onClose('a', () => say('closed a')); setTimeout(() => { throw new Error('x'); });`,
  );
  expect(uncaught).toEqual({ code: 1, lines: ['closed a'] });
});

test('one part that cannot be closed does not keep the others open', async () => {
  const body = `${ALIVE}
    life.onClose('a', () => say('closed a'));
    life.onClose('b', () => { throw new Error('cannot'); });
    say('started');`;
  expect(await runService(body, 'SIGINT')).toEqual({ code: 1, lines: ['started', 'closed a'] });
});

test('a part that hangs is cut off at the deadline', async () => {
  const body = `${ALIVE} life.onClose('a', () => new Promise(() => {})); say('started');`;
  expect(await runService(body, 'SIGTERM')).toEqual({ code: 1, lines: ['started'] });
});
