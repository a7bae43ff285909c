import { z } from 'zod';
import type { Queryable, Row } from '../../lib/database.ts';
import { PermanentError } from '../../lib/errors.ts';
import { readImageFile } from '../../lib/image-file.ts';
import { resolveImagePath } from '../../lib/image-path.ts';
import type { BoundingBox } from '../../lib/images.ts';
import type { PhotoSources } from '../../lib/photo-sources.ts';
import { boxOf } from '../../lib/read-faces.ts';
import { answerWithPhoto } from '../answer-with-photo.ts';
import type { App, AppOptions } from '../app.ts';
import { renderCrop } from '../crop.ts';
import { HttpError } from '../errors.ts';
import { renderPhoto } from '../photo.ts';
import { personParams } from './people.ts';

type Options = Pick<AppOptions, 'db' | 'sources' | 'limits' | 'knownPeople'>;

export function addReferencePhotoRoute(app: App, { db, sources, limits, knownPeople }: Options): void {
  app.get(
    '/v1/people/:id/faces/:reference/photo',
    {
      schema: {
        summary: 'What a reference was made of: its face, or the whole photo where nobody knows where the face is',
        tags: ['people'],
        produces: ['image/jpeg', 'image/png', 'image/webp', 'image/gif'],
        params: personParams.extend({ reference: personParams.shape.id }),
        querystring: z.object({
          width: z.coerce.number().int().min(16).max(1024).optional().describe('Pixels, never enlarged.'),
        }),
      },
    },
    async (request, reply) => {
      const { id, reference } = request.params;
      const { width } = request.query;
      const found = await findReferencePhoto(db, id, reference);
      const { path, box } = found;
      return answerWithPhoto(request, reply, {
        sources: found.isKnown ? readKnownPeople(knownPeople, limits.maxBytes) : sources,
        path,
        variant: `reference-${reference}-${width ?? 'full'}`,
        render: (file) =>
          box === null
            ? renderPhoto(file, width, limits)
            : renderCrop(file, { box, width: found.width, height: found.height }, { cropWidth: width, ...limits }),
      });
    },
  );
}

interface ReferencePhoto {
  readonly path: string;
  /** In the folder of known people. */
  readonly isKnown: boolean;
  readonly box: BoundingBox | null;
  /** Pixels of the photo when the face was seen; null where nobody knows. */
  readonly width: number | null;
  readonly height: number | null;
}

/** @throws HttpError 404 `reference_not_found` */
async function findReferencePhoto(db: Queryable, personId: number, id: number): Promise<ReferencePhoto> {
  const [rows] = await db.query<Row[]>(
    `SELECT pi.source, pi.image_name, COALESCE(i.path, pi.path) AS path, i.width, i.height,
            pi.box_left, pi.box_top, pi.box_width, pi.box_height
       FROM person_images pi
       LEFT JOIN faces f ON f.id = pi.face_id
       LEFT JOIN images i ON i.id = f.image_id
      WHERE pi.id = ? AND pi.person_id = ?`,
    [id, personId],
  );
  const [row] = rows;
  if (row === undefined) {
    throw new HttpError(404, 'reference_not_found', `Person ${personId} has no reference ${id}.`);
  }
  const isKnown = row.source === 'folder';
  const { width, height } = row;
  return { path: isKnown ? row.image_name : (row.path ?? ''), isKnown, box: boxOf(row), width, height };
}

/** Only what is a reference is read from that folder, and never through a link that leads out of it. */
function readKnownPeople(folder: string | null, maxBytes: number): Pick<PhotoSources, 'withPhoto'> {
  return {
    async withPhoto(name, _signal, use) {
      if (folder === null) {
        throw new PermanentError(
          'file_not_found',
          'This receiver does not know the folder of known people (KNOWN_PEOPLE).',
        );
      }
      const { path, inside } = await resolveImagePath(name, [folder]);
      return use(await readImageFile(path, { maxBytes, inside }));
    },
  };
}
