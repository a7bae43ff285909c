import type { Queryable } from '../../lib/database.ts';
import { type SummarisedFace, summariseFaces } from '../../lib/image-summary.ts';
import type { Image } from '../../lib/images.ts';
import type { Person } from '../../lib/people.ts';
import { readPersonNames } from '../../lib/read-faces.ts';
import { readImages } from '../../lib/read-images.ts';
import type { ImageChange, Preview } from './preview-threshold.ts';
import type { ChangedImage } from './schemas.ts';

/** One page of a preview, with names and paths. @param page.before only images with a smaller id */
export async function presentPreview(
  db: Queryable,
  { images, complete, galleryRevision }: Preview,
  page: { before: number; limit: number },
) {
  const left = images.filter(({ imageId }) => imageId < page.before);
  const own = left.slice(0, page.limit);
  return {
    galleryRevision,
    total: { ...countChanges(images), complete },
    images: await presentImages(db, own),
    nextCursor: left.length > own.length ? String(own.at(-1)?.imageId) : null,
  };
}

function countChanges(images: readonly ImageChange[]) {
  const total = { images: images.length, gained: 0, lost: 0, renamed: 0 };
  for (const { before, after } of images.flatMap(({ faces }) => faces)) {
    if (before === null) total.gained += 1;
    else if (after === null) total.lost += 1;
    else total.renamed += 1;
  }
  return total;
}

async function presentImages(db: Queryable, changes: readonly ImageChange[]): Promise<ChangedImage[]> {
  if (changes.length === 0) return [];
  const marks = changes.map(() => '?').join(', ');
  const ids = changes.map(({ imageId }) => imageId);
  const images = await readImages(db, `WHERE i.id IN (${marks})`, ids);
  const imageOf = new Map(images.map((image) => [image.id, image]));
  const people = changes.flatMap(({ faces }) => faces.flatMap(({ before, after }) => [before, after]));
  const names = await readPersonNames(db, [...new Set(people.filter((id) => id !== null))]);
  // Photos that were deleted meanwhile are left out.
  return changes.flatMap((change) => {
    const image = imageOf.get(change.imageId);
    return image === undefined ? [] : [presentImage(image, change, names)];
  });
}

function presentImage(image: Image, { faces }: ImageChange, names: ReadonlyMap<number, string>): ChangedImage {
  const changeOf = new Map(faces.map((face) => [face.faceId, face]));
  const after = image.faces.map(({ id, person, distance, decidedBy }): SummarisedFace & { person: Person | null } => {
    const change = changeOf.get(id);
    if (change === undefined) return { personId: person?.id ?? null, person, distance, decidedBy };
    const changed = toPerson(change.after, names);
    return { personId: changed?.id ?? null, person: changed, distance: change.distance, decidedBy };
  });
  const { status, personId } = summariseFaces(after);
  return {
    id: image.id,
    path: image.path,
    before: { status: image.status === 'matched' ? 'matched' : 'unknown', person: image.person },
    after: {
      status: status === 'matched' ? 'matched' : 'unknown',
      person: after.find((face) => personId !== null && face.personId === personId)?.person ?? null,
    },
    faces: faces.map(({ faceId, before, after: next, distance }) => ({
      ...{ id: faceId, distance },
      before: toPerson(before, names),
      after: toPerson(next, names),
    })),
  };
}

function toPerson(id: number | null, names: ReadonlyMap<number, string>): Person | null {
  const name = id === null ? undefined : names.get(id);
  return id === null || name === undefined ? null : { id, name };
}
