import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { SeenImage } from './answers.ts';
import { ApiError, askPatiently } from './api.ts';

/** Paths in one request. */
const PATHS_AT_ONCE = 500;
const UPLOADS_AT_ONCE = 4;
/** The server cannot see the photo where it lies: it gets the photo itself. */
const NOT_FOR_THE_SERVER = new Set(['path_outside_roots', 'file_not_found', 'file_not_permitted']);

/** What became of one photo: the image that it is, or why it was refused. */
export interface Submitted {
  /** As it was given. */
  readonly source: string;
  readonly id?: number;
  readonly error?: { readonly code: string; readonly message: string };
}

export interface SubmitOptions {
  /** always: also what the server could read by its path; never: what it cannot is refused. */
  readonly upload: 'always' | 'never' | 'where needed';
  readonly onDone: (count: number) => void;
}

/** Submits photos, by their paths where the server may read them there, else the photos themselves. In the order given. */
export async function submitPhotos(sources: readonly string[], options: SubmitOptions): Promise<Submitted[]> {
  const byPath = options.upload === 'always' ? [] : sources;
  const submitted = new Map<string, Submitted>();
  for (let start = 0; start < byPath.length; start += PATHS_AT_ONCE) {
    for (const one of await submitPaths(byPath.slice(start, start + PATHS_AT_ONCE))) {
      if (options.upload === 'where needed' && isLocal(one.source) && NOT_FOR_THE_SERVER.has(one.error?.code ?? ''))
        continue;
      submitted.set(one.source, one);
      options.onDone(1);
    }
  }
  const rest = [...new Set(sources)].filter((source) => !submitted.has(source));
  await Promise.all(
    Array.from({ length: UPLOADS_AT_ONCE }, async () => {
      for (let source = rest.pop(); source !== undefined; source = rest.pop()) {
        submitted.set(source, await upload(source));
        options.onDone(1);
      }
    }),
  );
  return [...new Set(sources)].flatMap((source) => submitted.get(source) ?? []);
}

/** Not a URL. */
export const isLocal = (source: string) => !/^[a-z][a-z0-9+.-]+:\/\//i.test(source);

type Answer = { images: ({ id: number } | { error: { code: string; message: string } })[] };

async function submitPaths(paths: readonly string[]): Promise<Submitted[]> {
  const { images } = await askPatiently<Answer>('POST', '/v1/images', { paths: paths.map((path) => ({ path })) });
  return images.map((image, index) => ({ source: paths[index] ?? '', ...image }));
}

async function upload(file: string): Promise<Submitted> {
  try {
    const content = await readFile(file);
    const known = await findUploaded(createHash('sha256').update(content).digest('hex'));
    if (known !== undefined) return { source: file, id: known };
    const form = new FormData();
    form.set('photo', new Blob([new Uint8Array(content)]), basename(file));
    const { images } = await askPatiently<Answer>('POST', '/v1/images', form);
    return { source: file, ...images[0] };
  } catch (error) {
    if (error instanceof ApiError && error.status < 500) return { source: file, error };
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('E')) return { source: file, error: { code: 'file_unreadable', message } };
    throw error;
  }
}

/** Uploads are named by their content: what was sent before, by a command that was cut off, need not be sent again. */
async function findUploaded(sha256: string): Promise<number | undefined> {
  const { images } = await askPatiently<{ images: SeenImage[] }>(
    'GET',
    `/v1/images?${new URLSearchParams({ q: sha256, limit: '10' })}`,
  );
  return images.find(({ path }) => path.includes(sha256))?.id;
}
