import { expect, test } from 'vitest';
import { z } from 'zod';
import { describeProblems } from './describe-problems.ts';

const number = z.coerce.number().int();
const paths = z.strictObject({ paths: z.array(z.strictObject({ path: z.string() })) });
const face = z.strictObject({ faceId: z.number() });

test.each([
  [z.strictObject({ limit: number }), { limit: 'abc' }, 'limit: Invalid input: expected number'],
  [z.strictObject({ limit: number }), { limit: 1, lmit: 2, x: 3 }, 'body: there is no lmit, x'],
  [z.object({ name: z.string() }), {}, 'name: is missing'],
  [z.object({ name: z.string() }), null, 'body: is missing: send JSON'],
  [z.object({ name: z.string() }), { name: null }, 'name: Invalid input: expected string, received null'],
  [z.union([paths, face]), {}, 'paths: is missing, or faceId: is missing'],
  [
    z.union([paths, face]),
    { paths: [{ path: 1 }] },
    'paths/0/path: Invalid input: expected string, received number, or faceId: is missing; body: there is no paths',
  ],
  [
    z.object({ images: z.union([z.boolean(), z.enum(['true', 'false'])]) }),
    { images: 'yes' },
    'images: Invalid input: expected boolean, received string, or images: Invalid option: expected one of "true"|"false"',
  ],
  [
    z.object({ from: z.union([z.iso.datetime(), z.iso.date()], { error: 'a moment or a day' }) }),
    { from: 'yesterday' },
    'from: a moment or a day',
  ],
])('%# what is wrong is said so that it can be mended', (schema, value, said) => {
  expect(describeProblems(schema.safeParse(value).error?.issues ?? [], 'body')).toBe(said);
});
