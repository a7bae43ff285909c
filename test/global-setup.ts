import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { startPrivateServers } from '../cli/servers/private-servers.ts';
import { testCacheFolder } from './servers.ts';

/**
 * One real database server and one real NATS server for the whole run, started as the launcher starts its own (so
 * `MYSQL_URL` and `NATS_URL`, or programs on the PATH, are used where they exist). They die with this process.
 */
export default async function startServersOfTheRun(project: TestProject): Promise<() => Promise<void>> {
  // servers.ts listens for the end of whoever started us; that must not keep a finished run alive.
  process.channel?.unref();
  await buildWhatTheTestsRun();
  const dataFolder = await mkdtemp(join(tmpdir(), 'faceflow-test-'));
  const servers = await startPrivateServers({
    dataFolder,
    cacheFolder: testCacheFolder(),
    mysqlUrl: process.env.MYSQL_URL || undefined,
    natsUrl: process.env.NATS_URL || undefined,
    report: () => {},
    watch: (name) => ({ onLine: () => {}, onEvent: ({ text }) => console.warn(`${name} ${text}`) }),
  });
  // The reporter, in this process too, searches them when the last test has ended.
  process.env.FACEFLOW_KEPT_LOGS = await mkdtemp(join(tmpdir(), 'faceflow-test-logs-'));
  project.provide('keptLogs', process.env.FACEFLOW_KEPT_LOGS);
  project.provide('mysqlUrl', servers.mysqlUrl);
  project.provide('natsUrl', servers.natsUrl);
  return async () => {
    await servers.stop();
    await rm(dataFolder, { recursive: true, force: true });
  };
}

/** System tests run the compiled services. `SKIP_BUILD=1` takes `dist` as it is. */
async function buildWhatTheTestsRun(): Promise<void> {
  if (process.env.SKIP_BUILD === '1') return;
  const setup = fileURLToPath(new URL('../cli/setup.mjs', import.meta.url));
  await promisify(execFile)(process.execPath, [setup, 'build']);
}
