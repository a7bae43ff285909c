import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';
import type { Person } from './answers.ts';
import { ask } from './api.ts';
import { formatColumns, print } from './print.ts';

interface Found {
  readonly faces: readonly {
    readonly person: Person | null;
    readonly matches: readonly { person: Person; distance: number; threshold: number; matched: boolean }[];
    readonly images?: readonly { path: string; distance: number; person: Person | null }[];
  }[];
  readonly scan?: { readonly complete: boolean };
}

/** `faceflow search PHOTO`: who is in it; nothing of it is stored. @returns 1 when nobody is known */
export async function search(file: string, { images, json }: { images?: boolean; json?: boolean }): Promise<number> {
  const content = await readFile(file).catch((error: unknown) => {
    throw new LaunchError(messageOf(error));
  });
  const form = new FormData();
  form.set('photo', new Blob([new Uint8Array(content)]), basename(file));
  const found = await ask<Found>('POST', `/v1/search${images ? '?images=true' : ''}`, form);
  print(json, found, describe(found));
  return found.faces.some(({ person }) => person !== null) ? 0 : 1;
}

function describe({ faces, scan }: Found): string {
  if (faces.length === 0) return 'No face.';
  const rows = faces.flatMap(({ person, matches }, index) => {
    const name = `${index + 1}: ${person?.name ?? 'unknown'}`;
    if (matches.length === 0) return [[name, '', '', '']];
    return matches.map((match, rank) => [
      rank === 0 ? name : '',
      match.person.name,
      match.distance.toFixed(3),
      match.matched ? '✔' : `(over ${match.threshold.toFixed(3)})`,
    ]);
  });
  const photos = faces.flatMap(({ images = [] }, index) =>
    images.map(({ path, distance, person }) => [String(index + 1), path, distance.toFixed(3), person?.name ?? '']),
  );
  return [
    formatColumns(['face', 'nearest people', 'distance', 'match'], rows),
    ...(photos.length > 0 ? [formatColumns(['face', 'is in', 'distance', 'named there'], photos)] : []),
    ...(scan?.complete === false ? ['Not all stored faces were compared: the newest only.'] : []),
  ].join('\n\n');
}
