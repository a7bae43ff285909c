import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { abortAfter } from './abort-after.ts';

test('a signal that is aborted, before or later, aborts it, with its reason', () => {
  const later = new AbortController();
  const signal = abortAfter(60_000, later.signal, new AbortController().signal);
  expect(signal.aborted).toBe(false);
  later.abort('enough');
  expect(signal.reason).toBe('enough');
  expect(abortAfter(60_000, later.signal).reason).toBe('enough');
});

test('the time is kept, whatever garbage is collected meanwhile', async () => {
  const script = `
    import { abortAfter } from './cli/abort-after.ts';
    abortAfter(300, new AbortController().signal).addEventListener('abort', ({ target }) => {
      process.stdout.write(target.reason.name);
      process.exit(0);
    });
    setTimeout(() => global.gc(), 50);
    setTimeout(() => process.exit(1), 10_000);
  `;
  const args = ['--expose-gc', '--import', 'tsx', '--input-type=module', '--eval', script];
  expect((await promisify(execFile)(process.execPath, args)).stdout).toBe('TimeoutError');
});
