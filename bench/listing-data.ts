import { type Database, openDatabase } from '../lib/database.ts';
import { openImages } from '../lib/images.ts';

/** What the listing is measured on: a big installation, the same rows every time, made by the server itself. */
export const SIZE = { images: 1_000_000, people: 20_000 };

const CHUNK = 50_000;
const FIRST_NAMES = ['Anna', 'Boris', 'Carla', 'David', 'Elena', 'Felix', 'Greta', 'Hugo', 'Irina', 'Jonas'];
const LAST_NAMES = ['Abel', 'Berg', 'Conti', 'Duarte', 'Egger', 'Fischer', 'Garcia', 'Horvat', 'Ito', 'Jensen'];
const PLACES = ['beach', 'mountain', 'party', 'wedding', 'office', 'garden', 'lake', 'museum', 'school', 'train'];

/**
 * 60 % matched, 25 % unknown, 10 % no_face, 4 % pending, 1 % unreadable, three failed; 3.5 faces in each image with faces.
 * Ada Lovelace (1) is in 500,000 of them, Rare Bird (2) in three. One was posted a minute, from 2020 on.
 */
const STATUS = `CASE WHEN n IN (77, 400077, 999977) THEN 'failed' WHEN n % 10 < 6 THEN 'matched' WHEN n % 100 = 99 THEN 'unreadable'
  WHEN n % 20 < 19 - (n % 10) * 2 THEN 'no_face' WHEN n % 10 = 9 AND n % 100 < 50 THEN 'pending' ELSE 'unknown' END`;
/** An album of 200 photos a folder; every twentieth photo is an upload, named by its digest. */
const PATH = `CASE WHEN n % 20 = 19 THEN CONCAT('uploads/', SHA2(n, 256), '.jpg') ELSE
  CONCAT(2010 + n DIV 62500, '/', ${elt('n DIV 200', PLACES)}, '-', n DIV 200, '/', IF(n % 2 = 0, 'IMG', 'DSC'), '_', LPAD(n, 7, '0'),
    IF(n IN (1016, 500016, 999016), '_needle', ''), IF(n < 500000, '_spring', '_autumn'), IF(n % 10 = 4, '.png', '.jpg')) END`;
const OTHER_PERSON = `10 + (n * 7919 + k) % ${SIZE.people - 10}`;
/** Of the face k of image n. */
const PERSON = `CASE WHEN n % 10 > 5 THEN NULL WHEN k = 0 AND n % 10 < 5 THEN 1 WHEN k = 2 AND n IN (1000, 500000, 999000) THEN 2
  WHEN k < 2 THEN ${OTHER_PERSON} ELSE NULL END`;

/** @param images the first so many of them, in 50,000s */
export async function fillDatabase(
  url: string,
  say: (line: string) => void,
  images = SIZE.images,
): Promise<{ indexedPerSecond: number }> {
  const db = openDatabase(url, { connections: 1 });
  try {
    await db.query('SET foreign_key_checks = 0, unique_checks = 0');
    await db.query('CREATE TABLE numbers (n INT UNSIGNED NOT NULL PRIMARY KEY)');
    const digits =
      '(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)';
    await db.query(
      `INSERT INTO numbers SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d
         FROM ${digits} a, ${digits} b, ${digits} c, ${digits} e, ${digits} f WHERE f.d < 5`,
    );
    await addPeople(db);
    for (let start = 0; start < images; start += CHUNK) {
      await addImages(db, start);
      if ((start / CHUNK) % 4 === 3) say(`${start + CHUNK} images`);
    }
    const startedAt = performance.now();
    await indexPaths(db, say);
    const indexedPerSecond = (images / (performance.now() - startedAt)) * 1000;
    await db.query('ANALYZE TABLE images, faces, person, image_prefixes');
    return { indexedPerSecond };
  } finally {
    await db.close();
  }
}

async function addPeople(db: Database): Promise<void> {
  await db.query("INSERT INTO person (id, name) VALUES (1, 'Ada Lovelace'), (2, 'Rare Bird')");
  await db.query(
    `INSERT INTO person (id, name) SELECT n, CONCAT(${elt('n', FIRST_NAMES)}, ' ', ${elt('n DIV 10', LAST_NAMES)}, ' ', n)
       FROM numbers WHERE n >= 10 AND n < ?`,
    [SIZE.people],
  );
}

async function addImages(db: Database, start: number): Promise<void> {
  const numbered = `(SELECT n + ${start} + 1 AS n, 0 AS k FROM numbers) numbered`;
  await db.query(
    `INSERT INTO images (id, path, status, person, width, height, created_at, enqueued_at, finished_at)
     SELECT n, ${PATH}, ${STATUS}, ${PERSON}, 4000, 3000, '2020-01-01' + INTERVAL n MINUTE, NOW(3), NOW(3) FROM ${numbered}`,
  );
  await db.query(
    `INSERT INTO faces (image_id, face_index, box_left, box_top, box_width, box_height, confidence, descriptor, model,
       person_id, distance, threshold, gallery_revision)
     SELECT n, k, 0.1 + k / 10, 0.2, 0.1, 0.15, 0.9, REPEAT(UNHEX(SHA2(n * 4 + k, 512)), 8), 'face-api/ssd+68+resnet', ${PERSON},
            0.3 + k / 10, 0.55, 1
       FROM (SELECT STRAIGHT_JOIN image.n + ${start} + 1 AS n, face.n AS k
               FROM numbers image JOIN numbers face ON face.n < 4) numbered
      WHERE ${STATUS} IN ('matched', 'unknown') AND (k < 3 OR n % 15 < 8)`,
  );
}

/** As the receiver does with rows of a version that did not know of the index. */
async function indexPaths(db: Database, say: (line: string) => void): Promise<void> {
  const images = openImages(db);
  let indexed = 0;
  for (let now = 1; now > 0; indexed += now) {
    now = await images.indexWaitingPaths();
    if (indexed % 250_000 === 0 && indexed > 0) say(`${indexed} paths indexed`);
  }
}

function elt(index: string, words: readonly string[]): string {
  return `ELT(1 + (${index}) % ${words.length}, ${words.map((word) => `'${word}'`).join(', ')})`;
}
