import { describe, expect, test } from 'vitest';
import { createGallery } from './gallery.ts';
import { createGallerySearch } from './gallery-search.ts';

/** A descriptor at a place on one axis: distances are differences. */
const at = (place: number) => Float32Array.from({ length: 128 }, (_, index) => (index === 0 ? place : 0));

function entry(personId: number, place: number, personName = `person ${personId}`) {
  const imageName = `${personName}/${place}.jpg`;
  return { personImageId: 1000 * personId + 100 * place, personId, personName, imageName, descriptor: at(place) };
}

function nameAt(threshold: number, entries: ReturnType<typeof entry>[], places: number[]) {
  const search = createGallerySearch();
  search.replace(entries, 7);
  const gallery = createGallery(threshold, search);
  return gallery.nameFaces(places.map(at));
}

const namesOf = (faces: ReturnType<typeof nameAt>) => faces.map(({ match }) => match?.entry.personName ?? null);

describe('a gallery', () => {
  test('names a face by the nearest known photo of the person', () => {
    const [face] = nameAt(0.55, [entry(1, 0), entry(1, 0.25), entry(2, 2)], [0.5]);
    expect(face?.match).toMatchObject({ distance: 0.25, entry: { personId: 1, imageName: 'person 1/0.25.jpg' } });
    expect(face?.nearestDistance).toBe(0.25);
  });

  test('takes the threshold itself for a match and anything beyond for a stranger', () => {
    expect(namesOf(nameAt(0.5, [entry(1, 0)], [0.5]))).toEqual(['person 1']);
    const [face] = nameAt(0.5, [entry(1, 0)], [0.51]);
    expect(face?.match).toBeNull();
    expect(face?.nearestDistance).toBeCloseTo(0.51);
  });

  test('names nobody twice: the nearer face wins, the other may be the next person', () => {
    const people = [entry(1, 0), entry(2, 0.625)];
    expect(namesOf(nameAt(0.55, people, [0.25, 0.125]))).toEqual(['person 2', 'person 1']);
    expect(namesOf(nameAt(0.55, [entry(1, 0)], [0.25, 0.125, 0.5]))).toEqual([null, 'person 1', null]);
  });

  test('grants by distance over the whole photo, not face by face', () => {
    // The first face would take person 1, who is nearer to the second.
    expect(namesOf(nameAt(0.55, [entry(1, 0), entry(2, -0.5)], [-0.125, 0.0625]))).toEqual(['person 2', 'person 1']);
  });

  test('that is empty knows no distance; a photo without faces has no answers', () => {
    expect(nameAt(0.55, [], [0])).toEqual([{ match: null, nearestDistance: null }]);
    expect(nameAt(0.55, [entry(1, 0)], [])).toEqual([]);
  });

  test('forgets what is replaced', () => {
    const search = createGallerySearch();
    const gallery = createGallery(0.55, search);
    search.replace([entry(1, 0)], 1);
    search.replace([entry(2, 0), entry(2, 1)], 2);
    expect([gallery.size, gallery.revision]).toEqual([2, 2]);
    expect(namesOf(gallery.nameFaces([at(0)]))).toEqual(['person 2']);
  });
});
