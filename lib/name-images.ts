import type { Actor } from './audit.ts';
import { changeOnce } from './change-once.ts';
import type { Database, Queryable, Row } from './database.ts';
import { writeNames } from './name-faces.ts';
import type { Person } from './people.ts';

/** Why nobody in an image is named: the person is in it already, no unknown face, several of them, no such image. */
export const SKIP_REASONS = ['shows_person', 'no_unknown_face', 'several_unknown_faces', 'image_not_found'] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

export interface NamedImages {
  /** Null: there was nobody to be named. */
  readonly person: Person | null;
  readonly named: readonly number[];
  readonly skipped: readonly { readonly id: number; readonly reason: SkipReason }[];
  /** How many of the faces have become references. */
  readonly enrolled: number;
}

/**
 * Says who is the one unknown face in each of these images, in one transaction, as `nameFaces` does. Where several faces
 * are unknown nobody can tell which is meant: those images are skipped, as are those that show the person already.
 *
 * @param person an id, or the name of one who is made where there is none
 * @throws PermanentError `person_not_found`
 */
export function nameImages(
  db: Database,
  imageIds: readonly number[],
  person: number | string,
  actor: Actor,
): Promise<NamedImages> {
  return changeOnce(db, actor, async (connection) => {
    const { faces, skipped } = await chooseFaces(connection, imageIds, person);
    if (faces.length === 0) return { person: null, named: [], skipped, enrolled: 0 };
    // A face that gets a name in between keeps that.
    const select = async () => faces.map(({ id }) => id);
    const record = { action: 'images.named', details: { images: faces.length } } as const;
    const named = await writeNames(connection, person, select, { actor, record });
    return { person: named.person, named: faces.map(({ imageId }) => imageId), skipped, enrolled: named.enrolled };
  });
}

async function chooseFaces(connection: Queryable, imageIds: readonly number[], person: number | string) {
  const [rows] = await connection.query<Row[]>(
    `SELECT i.id AS image_id, f.id, f.person_id, p.name, p.name = ? AS is_named_so
       FROM images i
       LEFT JOIN faces f ON f.image_id = i.id AND f.erased_at IS NULL AND f.descriptor IS NOT NULL
       LEFT JOIN person p ON p.id = f.person_id
      WHERE i.id IN (?)`,
    [typeof person === 'string' ? person : '', imageIds],
  );
  const faces: { id: number; imageId: number }[] = [];
  const skipped: { id: number; reason: SkipReason }[] = [];
  for (const imageId of new Set(imageIds)) {
    const own = rows.filter((row) => row.image_id === imageId);
    const unknown = own.filter((row) => row.id !== null && row.person_id === null);
    const [only] = unknown;
    const skip = (reason: SkipReason) => skipped.push({ id: imageId, reason });
    if (own.length === 0) skip('image_not_found');
    else if (own.some((row) => row.person_id !== null && (row.person_id === person || row.is_named_so === 1))) {
      skip('shows_person');
    } else if (only === undefined) skip('no_unknown_face');
    else if (unknown.length > 1) skip('several_unknown_faces');
    else faces.push({ id: only.id, imageId });
  }
  return { faces, skipped };
}
