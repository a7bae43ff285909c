import { formatColumns } from './client/print.ts';
import type { DemoPicture } from './demo-photos.ts';

/** As the receiver's API tells it; what the demo looks at. */
export interface SeenImage {
  id: number;
  path: string;
  status: string;
  reason: { code: string; message: string } | null;
  createdAt: string;
  finishedAt: string | null;
  faces: readonly { person: { name: string } | null; similarity: number | null }[];
}

const COLUMNS = ['photo', 'what it is', 'faces', 'who is in it', 'similarity', 'seconds', ''];

/** The pictures and what was seen in them, as lines of text. */
export function formatTable(pictures: readonly DemoPicture[], seen: ReadonlyMap<string, SeenImage>): string {
  const rows = pictures.map((picture) => {
    const image = seen.get(picture.path);
    if (!image) return [picture.path, picture.what, '', '(no result)', '', '', '✖'];
    const known = image.faces.filter(({ person }) => person !== null);
    return [
      picture.path,
      picture.what,
      String(image.faces.length),
      describePeople(image),
      known.map(({ similarity }) => (similarity ?? 0).toFixed(2)).join(', '),
      secondsOf(image),
      findDeviations(picture, image).length === 0 ? '✔' : '✖',
    ];
  });
  return formatColumns(COLUMNS, rows).replace(/^/gm, '  ');
}

function describePeople(image: SeenImage): string {
  if (image.faces.length === 0) return image.reason ? `${image.status}: ${image.reason.code}` : image.status;
  const names = namesIn(image);
  const strangers = image.faces.length - image.faces.filter(({ person }) => person !== null).length;
  return [...names, ...(strangers > 0 ? [`${strangers} unknown`] : [])].join(', ');
}

function namesIn(image: SeenImage): string[] {
  return image.faces.flatMap(({ person }) => (person ? [person.name] : []));
}

function secondsOf({ createdAt, finishedAt }: SeenImage): string {
  return finishedAt === null ? '' : ((Date.parse(finishedAt) - Date.parse(createdAt)) / 1000).toFixed(1);
}

/** What is not as it should be, a sentence each: another status, another number of faces, somebody missed or misnamed. */
export function findDeviations(picture: DemoPicture, image: SeenImage): string[] {
  const names = namesIn(image);
  const missed = picture.people.filter((name) => !names.includes(name));
  const wrong = names.filter((name, index) => !picture.people.includes(name) || names.indexOf(name) !== index);
  return [
    ...(image.status === picture.status ? [] : [`${picture.path}: expected ${picture.status}, is ${image.status}`]),
    ...(image.faces.length === picture.faces
      ? []
      : [`${picture.path}: expected ${picture.faces} faces, found ${image.faces.length}`]),
    ...missed.map((name) => `${picture.path}: ${name} is in it and was not named`),
    ...wrong.map((name) => `${picture.path}: somebody was wrongly named ${name}`),
  ];
}
