import type { Command } from 'commander';
import { ask, askForPages } from './api.ts';
import { formatColumns, print } from './print.ts';

interface Cluster {
  readonly id: number;
  readonly size: number;
  readonly cover: number | null;
  readonly faces: readonly number[];
}

/** The commands `faceflow clusters …`. */
export function addClusterCommands(program: Command, exitWith: (code: number) => never): void {
  const clusters = program.command('clusters').description('unknown faces that are probably of one person');

  clusters
    .command('list', { isDefault: true })
    .description('most faces first')
    .option('--ignored', 'those that are ignored')
    .option('--json', 'one JSON object')
    .action(async ({ ignored, json }: { ignored?: boolean; json?: boolean }) => {
      const found: Cluster[] = [];
      const query = { limit: '200', ...(ignored ? { ignored: 'true' } : {}) };
      for await (const page of askForPages<{ clusters: Cluster[]; nextCursor: string | null }>('/v1/clusters', query)) {
        found.push(...page.clusters);
      }
      const rows = found.map(({ id, size, faces }) => [String(id), String(size), faces.join(', ')]);
      print(
        json,
        { clusters: found },
        rows.length === 0 ? 'None.' : formatColumns(['id', 'faces', 'among them'], rows),
      );
      exitWith(0);
    });

  clusters
    .command('name')
    .description('say whose faces they are, all at once')
    .argument('<id>')
    .argument('<name>', 'of somebody known, or of somebody new')
    .option('--json', 'one JSON object')
    .action(async (id: string, name: string, { json }: { json?: boolean }) => {
      const named = await ask<{
        person: { id: number; name: string };
        faces: number;
        images: number;
        enrolled: number;
      }>('POST', `/v1/clusters/${encodeURIComponent(id)}/name`, { name });
      const { person, faces, images, enrolled } = named;
      print(
        json,
        named,
        `${faces} faces in ${images} images are ${person.name} (person ${person.id}); ${enrolled} are references.`,
      );
      exitWith(0);
    });

  clusters
    .command('split')
    .description('take faces out, into a cluster of their own')
    .argument('<id>')
    .argument('<face...>', 'ids of faces')
    .option('--json', 'one JSON object')
    .action(async (id: string, faces: string[], { json }: { json?: boolean }) => {
      const split = await ask<Cluster>('POST', `/v1/clusters/${encodeURIComponent(id)}/split`, {
        faces: faces.map(Number),
      });
      print(json, split, `Cluster ${split.id} has these ${split.size} faces now.`);
      exitWith(0);
    });

  clusters
    .command('ignore')
    .description('do not list it any more, and let it grow untold')
    .argument('<id>')
    .option('--undo', 'list it again')
    .option('--json', 'one JSON object')
    .action(async (id: string, { undo, json }: { undo?: boolean; json?: boolean }) => {
      const changed = await ask<Cluster>('PATCH', `/v1/clusters/${encodeURIComponent(id)}`, { ignored: undo !== true });
      print(json, changed, `Cluster ${changed.id} is ${undo ? 'listed again' : 'ignored'}.`);
      exitWith(0);
    });
}
