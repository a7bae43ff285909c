import { z } from 'zod';
import { IMAGE_STATUSES, type Images } from '../../lib/images.ts';
import type { PathPlace } from '../../lib/list-by-path.ts';
import type { App, AppOptions } from '../app.ts';
import { errorReplySchema, HttpError } from '../errors.ts';
import { endOf, momentSchema, startOf } from '../moments.ts';
import { imageSchema, presentImage } from './images.ts';

const listSchema = z.object({
  status: z.enum(IMAGE_STATUSES).optional(),
  person: z.coerce.number().int().positive().optional().describe('Its id: one of the faces is this person.'),
  q: z
    .string()
    .max(200)
    .optional()
    .describe('Words; each starts a word of the path or of the name of somebody in the image.'),
  folder: z
    .string()
    .min(1)
    .max(1024)
    .optional()
    .describe('How the path starts: everything in this folder and its subfolders, such as `trips/2024/`.'),
  from: momentSchema.optional().describe('Posted at this moment or later; or on this day (UTC) or later.'),
  to: momentSchema.optional().describe('Posted before this moment; or on this day (UTC) or earlier.'),
  sort: z.enum(['newest', 'oldest', 'path']).default('newest').describe('newest, oldest: as they were posted.'),
  cursor: z
    .string()
    .max(2000)
    .regex(/^[\w-]+$/, 'use the nextCursor of the page before')
    .optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

/** Lists of images, and the folders that they lie in. */
export function addImageListRoutes(app: App, { images }: Pick<AppOptions, 'images'>): void {
  app.get(
    '/v1/images',
    {
      schema: {
        summary: 'List images, newest first unless told otherwise',
        tags: ['images'],
        querystring: listSchema,
        response: {
          200: z.object({ images: z.array(imageSchema), nextCursor: z.string().nullable() }),
          '4xx': errorReplySchema,
        },
      },
    },
    async ({ query }) => {
      const { images: found, nextCursor } = await listPage(images, query);
      return { images: found.map(presentImage), nextCursor };
    },
  );

  app.get(
    '/v1/folders',
    {
      schema: {
        summary: 'Folders that images lie in',
        description: 'One level at a time: with `start` = `trips/20` those such as `trips/2024/`, by path.',
        tags: ['images'],
        querystring: z.object({
          start: z.string().max(1024).default('').describe('How the path starts; what somebody has typed of it.'),
          limit: z.coerce.number().int().min(1).max(200).default(50),
        }),
        response: {
          200: z.object({
            folders: z.array(z.object({ path: z.string() })),
            complete: z.boolean().describe('Whether these are all.'),
          }),
          '4xx': errorReplySchema,
        },
      },
    },
    async ({ query }) => {
      const { folders, complete } = await images.listFolders(query);
      return { folders: folders.map((path) => ({ path })), complete };
    },
  );
}

async function listPage(images: Images, query: z.infer<typeof listSchema>) {
  const { status, person, q, folder, from, to, sort, cursor, limit } = query;
  const conditions = {
    limit,
    ...(status === undefined ? {} : { status }),
    ...(person === undefined ? {} : { person }),
    ...(q === undefined ? {} : { text: q }),
    ...(folder === undefined ? {} : { folder: folder.endsWith('/') ? folder : `${folder}/` }),
    ...(from === undefined ? {} : { from: startOf(from) }),
    ...(to === undefined ? {} : { to: endOf(to) }),
  };
  if (sort === 'path') {
    const past = cursor === undefined ? {} : { past: readPathCursor(cursor) };
    const page = await images.listImagesByPath({ ...conditions, ...past });
    return { images: page.images, nextCursor: page.next === null ? null : writePathCursor(page.next) };
  }
  const past = cursor === undefined ? {} : { past: readIdCursor(cursor) };
  const page = await images.listImages({ ...conditions, ...past, order: sort });
  return { images: page.images, nextCursor: page.next === null ? null : String(page.next) };
}

function readIdCursor(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) throw badCursor();
  return Number(cursor);
}

const pathPlaceSchema = z.tuple([z.number().int().nonnegative(), z.string().max(510)]);

function writePathCursor({ path, id }: PathPlace): string {
  return Buffer.from(JSON.stringify([id, path])).toString('base64url');
}

function readPathCursor(cursor: string): PathPlace {
  try {
    const [id, path] = pathPlaceSchema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    return { id, path };
  } catch (cause) {
    throw badCursor(cause);
  }
}

function badCursor(cause?: unknown): HttpError {
  const message = 'The request is not valid: cursor: use the nextCursor of the page before, with the same sort.';
  return new HttpError(400, 'invalid_request', message, { cause });
}
