import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { LaunchError } from '../launch-error.ts';
import { createProgress } from '../progress.ts';
import { ApiError, ask, askForPages, DEFAULT_URL } from './api.ts';
import { findPhotos } from './find-photos.ts';
import { formatColumns, print } from './print.ts';

const ASK_EVERY_MS = 300;
/** Photos in one upload. */
const AT_ONCE = 20;

interface Person {
  readonly id: number;
  readonly name: string;
  readonly faces: number;
  readonly images: number;
}

interface Refused {
  readonly file: string;
  readonly code: string;
  readonly message: string;
}

interface Photo {
  readonly status: string;
  readonly reason: { code: string; message: string } | null;
}

/** The commands `faceflow people …`, which talk to the API at FACEFLOW_URL, with the key FACEFLOW_KEY where one is needed. */
export function addPeopleCommands(program: Command, exitWith: (code: number) => never): void {
  const people = program
    .command('people')
    .description(`who is known; talks to the API at FACEFLOW_URL (${DEFAULT_URL}), with FACEFLOW_KEY`);
  people
    .command('list')
    .description('everybody, with how many references and images there are of them')
    .argument('[part]', 'part of the name')
    .option('--json', 'one JSON object')
    .action(async (part: string | undefined, { json }: { json?: boolean }) => {
      const found = await listPeople(part);
      const rows = found.map(({ id, name, faces, images }) => [String(id), name, String(faces), String(images)]);
      const table = formatColumns(['id', 'name', 'references', 'images'], rows);
      print(json, { people: found }, rows.length === 0 ? 'Nobody.' : table);
      exitWith(0);
    });

  people
    .command('add')
    .description('enrol photos of a person, who is made if new; exit code 1 when a photo was refused')
    .argument('<name>')
    .argument('<path...>', 'photos, or folders of photos')
    .option('--force', 'also poor faces, duplicates, and faces that look like somebody else')
    .option('--json', 'one JSON object')
    .action(async (name: string, paths: string[], { force, json }: { force?: boolean; json?: boolean }) => {
      const { person, enrolled, refused } = await addPhotos(name, paths, force ?? false);
      const lines = refused.map(({ file, code, message }) => `${file}: ${code}: ${message}`);
      const summary = `${person.name} (person ${person.id}): ${enrolled} enrolled, ${refused.length} refused`;
      print(json, { person, enrolled, refused }, [...lines, summary].join('\n'));
      exitWith(refused.length > 0 ? 1 : 0);
    });

  people
    .command('rename')
    .description('give a person another name')
    .argument('<person>', 'name or id')
    .argument('<name>')
    .option('--json', 'one JSON object')
    .action(async (person: string, name: string, { json }: { json?: boolean }) => {
      const { id } = await findPerson(person);
      const renamed = await ask<Person>('PATCH', `/v1/people/${id}`, { name });
      print(json, renamed, `Person ${id} is ${renamed.name} now.`);
      exitWith(0);
    });

  people
    .command('merge')
    .description('make several people one')
    .argument('<person>', 'who stays: name or id')
    .argument('<others...>', 'who become them')
    .option('--json', 'one JSON object')
    .action(async (person: string, others: string[], { json }: { json?: boolean }) => {
      const { id } = await findPerson(person);
      const ids = await Promise.all(others.map(async (other) => (await findPerson(other)).id));
      const merged = await ask<Person>('POST', `/v1/people/${id}/merge`, { people: ids });
      print(json, merged, `${merged.name} (person ${id}) has ${merged.faces} references now.`);
      exitWith(0);
    });

  people
    .command('erase')
    .description('remove a person, their descriptors and their names in photos; prints the receipt')
    .argument('<person>', 'name or id; by id an erasure that died is finished')
    .option('--json', 'one JSON object')
    .action(async (person: string, { json }: { json?: boolean }) => {
      const id = /^\d+$/.test(person) ? Number(person) : (await findPerson(person)).id;
      const receipt = await ask<Record<string, unknown>>('DELETE', `/v1/people/${id}`);
      print(json, receipt, JSON.stringify(receipt, null, 2));
      exitWith(0);
    });
}

async function addPhotos(name: string, paths: readonly string[], force: boolean) {
  const found = await Promise.all(paths.map(findPhotos));
  const files = found.flatMap(({ photos }) => photos);
  const [unreadable] = found.flatMap((one) => one.unreadable);
  if (unreadable !== undefined) throw new LaunchError(unreadable.message);
  if (files.length === 0) throw new LaunchError(`There is no photo in ${paths.join(', ')}.`);
  const existing = (await listPeople(name)).find((person) => person.name === name);
  const person = existing ?? (await ask<Person>('POST', '/v1/people', { name }));
  const refused: Refused[] = [];
  let done = 0;
  await createProgress(process.stderr).step(`enrolling ${person.name}`, async (detail) => {
    for (let start = 0; start < files.length; start += AT_ONCE) {
      const some = files.slice(start, start + AT_ONCE);
      refused.push(...(await enrolOneByOne(person.id, some, force, () => detail(`${++done} of ${files.length}`))));
    }
  });
  return { person, enrolled: files.length - refused.length, refused };
}

/** A form is stored as a whole or not at all: each photo comes by itself, so that one that is none stops no other. */
async function enrolOneByOne(id: number, files: readonly string[], force: boolean, onDone: () => void) {
  const results = await Promise.all(
    files.map(async (file): Promise<Refused[]> => {
      try {
        const form = new FormData();
        if (force) form.set('force', 'true');
        form.set('photo', new Blob([new Uint8Array(await readFile(file))]), basename(file));
        const { batch } = await ask<{ batch: { id: number } }>('POST', `/v1/people/${id}/faces`, form);
        const reason = (await waitForPhoto(batch.id)).reason;
        return reason === null ? [] : [{ file, ...reason }];
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        return [{ file, code: error.code, message: error.message }];
      } finally {
        onDone();
      }
    }),
  );
  return results.flat();
}

async function waitForPhoto(batch: number): Promise<Photo> {
  for (;;) {
    const { photos } = await ask<{ photos: Photo[] }>('GET', `/v1/enrolments/${batch}/photos`);
    const [photo] = photos;
    if (photo === undefined) throw new LaunchError('The person was erased meanwhile.');
    if (photo.status !== 'pending') return photo;
    await sleep(ASK_EVERY_MS);
  }
}

async function listPeople(part?: string): Promise<Person[]> {
  const people: Person[] = [];
  const pages = askForPages<{ people: Person[]; nextCursor: string | null }>('/v1/people', {
    limit: '200',
    ...(part ? { q: part } : {}),
  });
  for await (const page of pages) people.push(...page.people);
  return people;
}

async function findPerson(nameOrId: string): Promise<Person> {
  const named = (await listPeople(nameOrId)).find(({ name }) => name === nameOrId);
  if (named !== undefined) return named;
  if (/^\d+$/.test(nameOrId)) return ask('GET', `/v1/people/${nameOrId}`);
  throw new LaunchError(`There is nobody named ${nameOrId}.`);
}
