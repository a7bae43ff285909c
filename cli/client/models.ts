import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { createProgress } from '../progress.ts';
import { ask } from './api.ts';
import { formatColumns, print } from './print.ts';

const ASK_EVERY_MS = 1_000;

interface Counts {
  readonly described: number;
  readonly waiting: number;
  readonly missing: Readonly<Record<string, number>>;
}

interface Model {
  readonly name: string;
  readonly state: string;
  readonly counts: { readonly faces: Counts; readonly references: Counts } | null;
  readonly comparedAt: string | null;
}

interface Answer {
  readonly person: { readonly id: number; readonly name: string | null } | null;
  readonly distance: number | null;
}

interface Comparison {
  readonly photos: number;
  readonly faces: number;
  readonly gained: number;
  readonly lost: number;
  readonly otherPerson: number;
  readonly changedPhotos: number;
  readonly examples: readonly { readonly imageId: number; readonly from: Answer; readonly to: Answer }[];
}

interface Job {
  readonly name: string;
  readonly done: number;
  readonly total: number;
}

/** The commands `faceflow models …`, which talk to the API at FACEFLOW_URL. */
export function addModelCommands(program: Command, exitWith: (code: number) => never): void {
  const models = program.command('models').description('what faces are described by, and how to change it');
  const jsonOption = ['--json', 'one JSON object'] as const;

  models
    .command('list')
    .description('all models, which of them answers, and how far the others are')
    .option(...jsonOption)
    .action(async ({ json }: { json?: boolean }) => {
      const found = await ask<{ models: Model[] }>('GET', '/v1/models');
      print(json, found, describeModels(found.models));
      exitWith(0);
    });

  models
    .command('prepare')
    .description('compute descriptors of a model beside those that there are, and compare it')
    .argument('<model>')
    .option('--wait', 'until it has been compared')
    .option(...jsonOption)
    .action(async (name: string, { wait, json }: { wait?: boolean; json?: boolean }) => {
      const asked = await ask<Model>('POST', `/v1/models/${encodeURIComponent(name)}/prepare`);
      const model = wait ? await waitUntilCompared(name) : asked;
      print(json, model, describeModels([model]));
      exitWith(0);
    });

  models
    .command('compare')
    .description('how many answers a model that is prepared would change, with examples')
    .argument('<model>')
    .option(...jsonOption)
    .action(async (name: string, { json }: { json?: boolean }) => {
      const found = await ask<Comparison>('GET', `/v1/models/${encodeURIComponent(name)}/comparison`);
      print(json, found, describeComparison(found));
      exitWith(0);
    });

  models
    .command('activate')
    .description('answer by a model from now on')
    .argument('<model>')
    .option(...jsonOption)
    .action(async (name: string, { json }: { json?: boolean }) => {
      const answer = await ask<{ model: Model }>('POST', `/v1/models/${encodeURIComponent(name)}/activate`);
      print(json, answer, describeModels([answer.model]));
      exitWith(0);
    });

  models
    .command('drop')
    .description('remove the descriptors of a model that does not answer: there is no way back to it but to prepare it')
    .argument('<model>')
    .option(...jsonOption)
    .action(async (name: string, { json }: { json?: boolean }) => {
      const model = await ask<Model>('DELETE', `/v1/models/${encodeURIComponent(name)}`);
      print(json, model, describeModels([model]));
      exitWith(0);
    });
}

function waitUntilCompared(name: string): Promise<Model> {
  return createProgress(process.stderr).step(`preparing ${name}`, async (detail) => {
    for (;;) {
      const { models } = await ask<{ models: Model[] }>('GET', '/v1/models');
      const model = models.find((one) => one.name === name);
      if (model?.comparedAt || model?.state === 'active') return model;
      const { jobs } = await ask<{ jobs: Job[] }>('GET', '/v1/jobs');
      const job = jobs.find((one) => one.name === 'models');
      if (job) detail(`${job.done} of ${job.total}`);
      await sleep(ASK_EVERY_MS);
    }
  });
}

function describeModels(models: readonly Model[]): string {
  const rows = models.map(({ name, state, counts }) => [
    ...[name, state, counts ? sayCounts(counts.faces) : '', counts ? sayCounts(counts.references) : ''],
  ]);
  return formatColumns(['model', 'state', 'faces', 'references'], rows);
}

function sayCounts({ described, waiting, missing }: Counts): string {
  const lacking = Object.entries(missing).map(([code, count]) => `, ${count} ${code}`);
  return `${described} described${waiting > 0 ? `, ${waiting} waiting` : ''}${lacking.join('')}`;
}

function describeComparison(found: Comparison): string {
  const { photos, faces, gained, lost, otherPerson, changedPhotos } = found;
  const summary =
    `${changedPhotos} of ${photos} photos would change (${faces} faces compared): ` +
    `${gained} faces gain a name, ${lost} lose it, ${otherPerson} are another person`;
  const lines = found.examples.map(
    ({ imageId, from, to }) => `image ${imageId}: ${sayAnswer(from)} → ${sayAnswer(to)}`,
  );
  return [summary, ...lines].join('\n');
}

function sayAnswer({ person, distance }: Answer): string {
  const name = person === null ? 'nobody' : (person.name ?? `person ${person.id}`);
  return distance === null ? name : `${name} (${distance.toFixed(3)})`;
}
