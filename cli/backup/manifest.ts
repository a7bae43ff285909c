import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LaunchError } from '../launch-error.ts';

export const MANIFEST = 'manifest.json';
/** Raised when a backup of this version could not be read by the one before. */
const FORMAT = 1;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const file = { file: z.string().regex(/^[\w./-]+$/), bytes: z.number().int(), sha256 };

const bodySchema = z.object({
  format: z.literal(FORMAT),
  /** The version of Faceflow that wrote it. */
  version: z.string(),
  createdAt: z.string(),
  database: z.object({
    server: z.string(),
    /** What had been applied, oldest first. */
    migrations: z.array(z.object({ name: z.string(), checksum: sha256 })).min(1),
    tables: z.array(
      z.object({
        name: z.string().regex(/^\w+$/),
        columns: z.array(z.object({ name: z.string(), binary: z.boolean() })),
        key: z.array(z.string()),
        rows: z.number().int(),
        nextId: z.string().regex(/^\d+$/).nullable(),
        ...file,
      }),
    ),
    /** Tables of the database that are not Faceflow's: they are not in the backup. */
    leftOut: z.array(z.string()),
  }),
  /** Null: the backup was made without. `missing`: what the database names and the disk did not have. */
  uploads: z.object({ files: z.number().int(), missing: z.number().int(), list: z.object(file) }).nullable(),
});

/** What a backup holds; its last file, so that one without is no backup. */
export type Manifest = z.infer<typeof bodySchema>;
export type TableBackup = Manifest['database']['tables'][number];

export function formatManifest(body: Omit<Manifest, 'format'>): string {
  const whole = { format: FORMAT, ...body };
  return `${JSON.stringify({ ...whole, checksum: checksumOf(whole) }, null, 2)}\n`;
}

/** @throws LaunchError when the folder is no backup, is damaged, or of a newer version */
export async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch(() => null);
  if (text === null) {
    throw new LaunchError(
      `${folder} is no whole backup: it has no ${MANIFEST}, which is written when all else is there.`,
    );
  }
  const { checksum, ...body } = parseObject(text);
  if (typeof body.format === 'number' && body.format > FORMAT) {
    throw new LaunchError(`The backup in ${folder} was written by a newer version of Faceflow: restore it with that.`);
  }
  const read = bodySchema.safeParse(body);
  if (!read.success || checksum !== checksumOf(body)) {
    throw new LaunchError(`The backup in ${folder} is damaged: its ${MANIFEST} is not as it was written.`);
  }
  return read.data;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function checksumOf(body: unknown): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}
