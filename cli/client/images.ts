import type { SeenFace, SeenImage } from './answers.ts';
import { ask, askForBytes, askForPages } from './api.ts';
import { drawBoxes } from './draw-boxes.ts';
import { formatColumns, formatImages, print } from './print.ts';

export interface ListOptions {
  status?: string;
  person?: string;
  folder?: string;
  from?: string;
  to?: string;
  sort: string;
  limit: number;
  json?: boolean;
}

/** `faceflow images [WORD…]`. */
export async function listImages(
  words: readonly string[],
  { status, person, folder, from, to, sort, limit, json }: ListOptions,
): Promise<number> {
  const images: SeenImage[] = [];
  const query = {
    limit: String(Math.min(limit, 200)),
    ...(words.length > 0 ? { q: words.join(' ') } : {}),
    ...(status ? { status } : {}),
    ...(person ? { person } : {}),
    ...(folder ? { folder } : {}),
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
    ...(sort === 'newest' ? {} : { sort }),
  };
  for await (const page of askForPages<{ images: SeenImage[]; nextCursor: string | null }>('/v1/images', query)) {
    images.push(...page.images);
    if (images.length >= limit) break;
  }
  const listed = images.slice(0, limit);
  print(json, { images: listed }, formatImages(listed));
  return 0;
}

/** `faceflow image ID`: everything that is known of it, and why; with `out` a copy with boxes. */
export async function showImage(id: string, { out, json }: { out?: string; json?: boolean }): Promise<number> {
  const image = await ask<SeenImage>('GET', `/v1/images/${encodeURIComponent(id)}`);
  if (out !== undefined) await drawBoxes(await askForBytes(`/v1/images/${image.id}/photo`), image, out);
  print(json, image, describeImage(image, out));
  return 0;
}

function describeImage(image: SeenImage, out: string | undefined): string {
  const { path, status, reason, width, height, faces } = image;
  const about = `image ${image.id}: ${path}\n${status}${width ? `, ${width} × ${height}` : ''}`;
  return [
    reason ? `${about}\n${reason.code}: ${reason.message}` : about,
    ...(faces.length > 0 ? [formatColumns(FACE_COLUMNS, faces.map(describeFace))] : []),
    ...(out === undefined ? [] : [`drawn on ${out}`]),
  ].join('\n\n');
}

const FACE_COLUMNS = [
  'face',
  'person',
  'similarity',
  'distance',
  'threshold',
  'decided by',
  'nearest people',
  'quality',
];

function describeFace(face: SeenFace): string[] {
  const candidates = (face.candidates ?? []).map(({ person, distance }) => `${person.name} ${distance.toFixed(3)}`);
  return [
    String(face.id),
    face.person?.name ?? '(unknown)',
    face.similarity?.toFixed(2) ?? '',
    face.distance?.toFixed(3) ?? '',
    face.threshold?.toFixed(3) ?? '',
    face.decidedBy,
    candidates.join(', '),
    face.quality?.reasons.join(', ') ?? '',
  ];
}
