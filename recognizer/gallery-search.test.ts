import { describe, expect, test } from 'vitest';
import type { GalleryEntry } from '../lib/gallery.ts';
import { distanceBetween } from '../lib/similarity.ts';
import { createGallerySearch, EXACT_FACES, type GallerySearch } from './gallery-search.ts';
import { createSyntheticFaces } from './synthetic-faces.ts';

const synthetic = createSyntheticFaces();
/** Enough for an index. */
const MANY = EXACT_FACES / 5 + 50;
const everybody = (limit = Number.POSITIVE_INFINITY) => ({ count: 5, limit });

function enterPeople(first: number, people: number, faces: number): GalleryEntry[] {
  return Array.from({ length: people * faces }, (_, n) => synthetic.enter(first + Math.floor(n / faces), n % faces));
}

/** By comparing everything, and naively. */
function scan(entries: readonly GalleryEntry[], probe: Float32Array, count: number) {
  const best = new Map<number, { personId: number; personImageId: number; distance: number }>();
  for (const { personId, personImageId, descriptor } of entries) {
    const distance = distanceBetween(probe, descriptor);
    if (distance < (best.get(personId)?.distance ?? 9)) best.set(personId, { personId, personImageId, distance });
  }
  return [...best.values()].sort((a, b) => a.distance - b.distance).slice(0, count);
}

const round = (people: ReturnType<GallerySearch['nearestPeople']>) =>
  people.map((person) => ({ ...person, distance: person.distance.toFixed(5) }));

describe('a small gallery', () => {
  test('knows the nearest people, each with the nearest face, exactly', () => {
    const entries = enterPeople(1, 40, 3);
    const search = createGallerySearch();
    search.replace(entries, 7);
    for (let person = 1; person < 40; person++) {
      const probe = synthetic.describe(person, 9);
      expect(round(search.nearestPeople(probe, everybody()))).toEqual(round(scan(entries, probe, 5)));
    }
    const [near] = search.nearestPeople(synthetic.describe(3, 9), everybody());
    expect(search.nearestPeople(synthetic.describe(3, 9), everybody(near?.distance))).toEqual([near]);
    expect(search.nearestPeople(synthetic.describe(3, 9), everybody((near?.distance ?? 0) - 1e-6))).toEqual([]);
    expect([search.size, search.revision, search.index.size]).toEqual([120, 7, 0]);
  });

  test('takes over single changes: a new face, another person, a new name, a new descriptor, a removal', () => {
    const search = createGallerySearch();
    const [one, two] = [synthetic.enter(1, 0), synthetic.enter(2, 0)];
    search.apply({ changed: [one, two], removedIds: [] }, 1);
    const nearestTo = (entry: GalleryEntry) => search.nearestPeople(entry.descriptor, { count: 1, limit: 0.01 })[0];
    search.apply({ changed: [{ ...one, personId: 2, personName: 'Two' }], removedIds: [] }, 2);
    expect(nearestTo(one)).toMatchObject({ personId: 2, personImageId: one.personImageId });
    expect([search.findPerson(1), search.findPerson(2)?.name, search.size]).toEqual([undefined, 'Two', 2]);
    search.apply({ changed: [{ ...two, descriptor: synthetic.describe(3, 0) }], removedIds: [] }, 3);
    expect(nearestTo(two)).toBeUndefined();
    search.apply({ changed: [], removedIds: [one.personImageId, two.personImageId, 12_345] }, 4);
    expect([search.size, search.digest, search.nearestPeople(one.descriptor, everybody())]).toEqual([0, 0, []]);
  });

  test('tells two looks of one person apart, and any number of faces that are alike', () => {
    const search = createGallerySearch();
    const look = (person: number, number: number) => ({
      ...synthetic.enter(person, number),
      personId: 1,
      personName: '1',
    });
    search.replace([look(1, 0), look(2, 0), ...Array.from({ length: 150 }, (_, n) => look(1, n + 1))], 1);
    const looks = search.faces.people.get(1)?.looks.map(({ slots }) => slots.length) ?? [];
    expect(looks.length).toBeGreaterThanOrEqual(4);
    expect(Math.max(...looks)).toBeLessThanOrEqual(64);
    expect(search.nearestPeople(synthetic.describe(2, 0), everybody())).toMatchObject([{ personId: 1, distance: 0 }]);
  });
});

test('the digest depends on all that is known, on no order, and on nothing that was known before', () => {
  const entries = enterPeople(1, 5, 2);
  const digestOf = (known: GalleryEntry[]) => {
    const search = createGallerySearch();
    search.replace(known, 1);
    return search;
  };
  const { digest } = digestOf(entries);
  expect(digestOf([...entries].reverse()).digest).toBe(digest);
  const [first, ...rest] = entries;
  if (first === undefined) throw new Error('five people');
  const other = digestOf([...rest, { ...first, imageName: 'other.jpg', personName: 'Ödön' }]);
  expect(other.digest).not.toBe(digest);
  other.replace(entries, 2);
  expect(other.digest).toBe(digest);
});

describe('a large gallery', () => {
  test('finds with its index what a scan finds, also while and after half of it changes', async () => {
    const search = createGallerySearch();
    let entries = enterPeople(1, MANY, 5);
    search.replace(entries, 1);
    await search.settled();
    expect(search.index.size).toBeGreaterThanOrEqual(MANY);
    expect(recallOf(search, entries)).toBeGreaterThanOrEqual(0.99);

    const gone = entries.filter((entry) => entry.personId % 2 === 0);
    const added = enterPeople(10_000, 200, 2);
    entries = [...entries.filter((entry) => entry.personId % 2 === 1), ...added];
    search.apply({ changed: added, removedIds: gone.map((entry) => entry.personImageId) }, 2);
    expect(recallOf(search, entries)).toBeGreaterThanOrEqual(0.99);
    await search.settled();
    expect([search.size, search.index.vacant]).toEqual([entries.length, 0]);
    expect(recallOf(search, entries)).toBeGreaterThanOrEqual(0.99);
    // Nobody who has gone is found, neither in the faces nor by what is left of them in the index.
    for (const { descriptor, personId } of gone.slice(0, 50)) {
      const found = search.nearestPeople(descriptor, everybody());
      expect(found.map((person) => person.personId)).not.toContain(personId);
    }
  });
});

/** How often the person of the nearest face comes first, with that face. */
function recallOf(search: GallerySearch, entries: readonly GalleryEntry[]): number {
  const probes = Array.from({ length: 100 }, (_, n) => entries[(n * 37) % entries.length] as GalleryEntry);
  const right = probes.filter(({ personId }) => {
    const probe = synthetic.describe(personId, 99);
    return search.nearestPeople(probe, everybody())[0]?.personImageId === scan(entries, probe, 1)[0]?.personImageId;
  });
  return right.length / probes.length;
}
