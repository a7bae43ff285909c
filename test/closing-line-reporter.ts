import { rmSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';
import { findLeaksIn } from './find-leaks.ts';

/**
 * Prints, as the very last line of a run, how many tests there were of each kind. A file that could not even be loaded
 * counts as one failure: its tests never ran. So does a secret in the logs of the services that ran.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const line = closingLine(modules, unhandledErrors.length + searchLogs());
    // The default reporter's summary, and whatever the teardown prints, come first.
    process.once('exit', () => process.stdout.write(`${line}\n`));
  }
}

/** @returns 1 when a descriptor, a key or a password was logged by any service of the run, else 0 */
function searchLogs(): number {
  const folder = process.env.FACEFLOW_KEPT_LOGS;
  if (folder === undefined) return 0;
  const { files, leaks } = findLeaksIn(folder);
  if (leaks.length === 0) {
    process.stdout.write(`no descriptor, key or password in the logs of ${files} processes\n`);
    rmSync(folder, { recursive: true, force: true });
    return 0;
  }
  process.stdout.write(`SECRETS IN LOGS:\n${leaks.map((leak) => `  ${leak}\n`).join('')}`);
  process.exitCode = 1;
  return 1;
}

function closingLine(modules: readonly TestModule[], unhandledErrors: number): string {
  const counts = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      counts[state === 'pending' ? 'skipped' : state]++;
    }
    if (module.errors().length > 0) counts.failed++;
  }
  return `tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}
