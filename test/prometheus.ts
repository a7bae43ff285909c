import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import { abortAfter } from '../cli/abort-after.ts';
import { chooseFreePort } from '../cli/free-port.ts';
import { spawnGuarded } from '../cli/guarded-process.ts';
import { isDebianLike, unpackDebianPackages } from '../cli/servers/debian-packages.ts';
import { findInFolders, findOnPath } from '../cli/servers/find-program.ts';
import { askHttp } from '../cli/services.ts';
import { waitUntil } from '../cli/supervise.ts';
import { testCacheFolder, type Unavailable } from './servers.ts';

export interface PrometheusPrograms {
  readonly prometheus: string;
  readonly promtool: string;
}

/** Those on the PATH, or Debian's (22 MB the first time). */
export async function findPrometheus(): Promise<PrometheusPrograms | Unavailable> {
  const installed = { prometheus: findOnPath('prometheus'), promtool: findOnPath('promtool') };
  if (installed.prometheus && installed.promtool) return installed as PrometheusPrograms;
  if (!isDebianLike()) return { skip: 'no prometheus and promtool on the PATH, and this machine is not a Debian' };
  const { root } = await unpackDebianPackages(['prometheus'], { cacheFolder: testCacheFolder() });
  const folders = [join(root, 'usr/bin')];
  const found = { prometheus: findInFolders('prometheus', folders), promtool: findInFolders('promtool', folders) };
  if (!found.prometheus || !found.promtool) throw new Error(`no prometheus and promtool in ${root}/usr/bin`);
  return found as PrometheusPrograms;
}

export interface RunningPrometheus {
  /** GETs a path of its HTTP API, and returns `data`. @throws with what it answered when that is no success */
  ask(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Runs Prometheus with a configuration in a folder of its own, on loopback. */
export async function startPrometheus(
  { prometheus }: PrometheusPrograms,
  configuration: object,
): Promise<RunningPrometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'faceflow-prometheus-'));
  const file = join(folder, 'prometheus.yaml');
  await writeFile(file, stringify(configuration));
  const address = `127.0.0.1:${await chooseFreePort()}`;
  const args = [`--config.file=${file}`, `--storage.tsdb.path=${join(folder, 'data')}`];
  const env = { PATH: process.env.PATH, HOME: folder };
  const child = await spawnGuarded(prometheus, [...args, `--web.listen-address=${address}`], {
    ...{ cwd: folder, env, killAfterMs: 5_000 },
  });
  let printed = '';
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      printed += `${line}\n`;
    });
  }
  const stop = async () => {
    await child.stop('SIGTERM', 10_000);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await waitUntil((signal) => askHttp(`http://${address}/-/ready`, signal), abortAfter(60_000));
  } catch (error) {
    await stop();
    throw new Error(`Prometheus did not become ready:\n${printed}`, { cause: error });
  }
  return {
    async ask(path) {
      const response = await fetch(`http://${address}${path}`);
      const body = (await response.json()) as { status: string; data: unknown; error?: string };
      if (body.status !== 'success') throw new Error(`${decodeURIComponent(path)}: ${body.error}`);
      return body.data;
    },
    stop,
  };
}
