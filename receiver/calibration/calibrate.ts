import type { Queryable } from '../../lib/database.ts';
import {
  countReferences,
  findGalleryModel,
  type LabelledFace,
  readConfirmedFaces,
  readReferences,
} from '../../lib/labelled-faces.ts';
import { readGalleryRevision } from '../../lib/rematch-images.ts';
import { packDescriptors } from '../../lib/scan-faces.ts';
import { type GalleryMeasure, measureGallery } from './measure-gallery.ts';

/** How many there are, and of how many the measure is. */
export interface Sampled {
  readonly total: number;
  readonly used: number;
}

export interface Calibration extends GalleryMeasure {
  readonly model: string;
  readonly galleryRevision: number;
  readonly people: Sampled & {
    /** Of those used: without a second photo of a person nothing says how far apart their photos lie. */
    readonly withSeveralReferences: number;
  };
  readonly references: Sampled;
  /** Faces in photos of which somebody has said whose they are, and that are no references; as far as they were looked for. */
  readonly confirmedFaces: Sampled;
}

/** With these a measure takes some seconds of computing. */
const MAX_REFERENCES = 10_000;
const MAX_PROBES = 2_000;
/** One person's thousands of references must not be all that is looked at. */
const MAX_REFERENCES_OF_PERSON = 100;

/**
 * Measures how far apart the faces of one person, and of different people, lie in the gallery as it is. Of a large gallery
 * a sample of the people is taken, with all that is known of them; the same one every time.
 *
 * @returns null when the gallery is empty
 */
export async function calibrate(db: Queryable): Promise<Calibration | null> {
  // Read first: what is measured may be newer, and is then measured again.
  const galleryRevision = await readGalleryRevision(db);
  const model = await findGalleryModel(db);
  if (model === null) return null;
  const counts = await countReferences(db, model);
  const personIds = choosePeople(counts);
  const found = await readReferences(db, model, personIds);
  const references = limitEach(found);
  const confirmed = await readConfirmedFaces(db, model, { personIds, limit: MAX_PROBES });
  const enrolled = new Set(found.flatMap(({ faceId }) => faceId ?? []));
  const confirmedOnly = confirmed.filter(({ id }) => !enrolled.has(id));
  const probes = chooseProbes(references, confirmedOnly);
  const measure = await measureGallery(toFaceSet(references), {
    ...toFaceSet(probes.map(({ face }) => face)),
    references: probes.map(({ reference }) => reference),
  });
  const perPerson = countByPerson(references);
  return {
    ...measure,
    model,
    galleryRevision,
    people: {
      total: counts.size,
      used: perPerson.size,
      withSeveralReferences: [...perPerson.values()].filter((count) => count > 1).length,
    },
    references: { total: [...counts.values()].reduce((sum, count) => sum + count, 0), used: references.length },
    confirmedFaces: {
      total: confirmedOnly.length,
      used: probes.filter(({ reference }) => reference < 0).length,
    },
  };
}

/** People in an order of no meaning, until their references are enough. */
function choosePeople(counts: ReadonlyMap<number, number>): number[] {
  const chosen: number[] = [];
  let references = 0;
  for (const [personId, count] of [...counts].sort(([a], [b]) => scatter(a) - scatter(b) || a - b)) {
    references += Math.min(count, MAX_REFERENCES_OF_PERSON);
    if (references > MAX_REFERENCES) break;
    chosen.push(personId);
  }
  return chosen;
}

function limitEach<Face extends LabelledFace>(faces: readonly Face[]): Face[] {
  const counts = new Map<number, number>();
  return faces.filter(({ personId }) => {
    const count = (counts.get(personId) ?? 0) + 1;
    counts.set(personId, count);
    return count <= MAX_REFERENCES_OF_PERSON;
  });
}

function chooseProbes(references: readonly LabelledFace[], confirmed: readonly LabelledFace[]) {
  const all = [
    ...references.map((face, reference) => ({ face, reference })),
    ...confirmed.map((face) => ({ face, reference: -1 })),
  ];
  return all.length <= MAX_PROBES
    ? all
    : all.sort((a, b) => scatter(a.face.id) - scatter(b.face.id) || a.face.id - b.face.id).slice(0, MAX_PROBES);
}

function countByPerson(faces: readonly LabelledFace[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { personId } of faces) counts.set(personId, (counts.get(personId) ?? 0) + 1);
  return counts;
}

function toFaceSet(faces: readonly LabelledFace[]) {
  return {
    personIds: faces.map(({ personId }) => personId),
    descriptors: packDescriptors(faces.map(({ descriptor }) => descriptor)),
  };
}

/** Ids that follow each other get numbers, 0 to 2³², that do not (Knuth, TAOCP 3, 6.4). */
function scatter(id: number): number {
  return Math.imul(id, 2_654_435_769) >>> 0;
}

/** Measures once for each revision of the gallery, however many ask; naming a face counts it up, too. */
export function createCalibrator(db: Queryable): () => Promise<Calibration | null> {
  let latest: { revision: number; measured: Promise<Calibration | null> } | null = null;
  return async () => {
    const revision = await readGalleryRevision(db);
    if (latest?.revision !== revision) {
      const measured = calibrate(db);
      const own = { revision, measured };
      latest = own;
      measured.catch(() => {
        if (latest === own) latest = null;
      });
    }
    return latest.measured;
  };
}
