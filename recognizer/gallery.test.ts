import { expect, test } from 'vitest';
import { createGallery } from './gallery.ts';
import { createGallerySearch } from './gallery-search.ts';

/** A descriptor at a place on one axis: distances are differences. */
const at = (place: number) => Float32Array.from({ length: 128 }, (_, index) => (index === 0 ? place : 0));

function entry(personId: number, place: number, personName = `person ${personId}`) {
  const imageName = `${personName}/${place}.jpg`;
  return { personImageId: 1000 * personId + 100 * place, personId, personName, imageName, descriptor: at(place) };
}

function nearest(entries: ReturnType<typeof entry>[], place: number, options = {}) {
  const search = createGallerySearch();
  search.replace(entries, 7);
  return createGallery(search).nearestPeople(at(place), { count: 10, limit: Number.POSITIVE_INFINITY, ...options });
}

test('each person is there once, by the nearest reference, the nearest person first', () => {
  expect(nearest([entry(1, 0), entry(2, 2), entry(1, 0.25)], 0.5)).toEqual([
    { personId: 1, personImageId: 1025, personName: 'person 1', imageName: 'person 1/0.25.jpg', distance: 0.25 },
    { personId: 2, personImageId: 2200, personName: 'person 2', imageName: 'person 2/2.jpg', distance: 1.5 },
  ]);
});

test('not more people than asked for, and none beyond the limit, which itself is within', () => {
  const people = [entry(1, 0), entry(2, 0.5), entry(3, 1)];
  expect(nearest(people, 0, { count: 2 }).map(({ personId }) => personId)).toEqual([1, 2]);
  expect(nearest(people, 0, { limit: 0.5 }).map(({ personId }) => personId)).toEqual([1, 2]);
});

test('an empty gallery knows nobody; what is replaced is forgotten', () => {
  expect(nearest([], 0)).toEqual([]);
  const search = createGallerySearch();
  const gallery = createGallery(search);
  search.replace([entry(1, 0)], 1);
  search.replace([entry(2, 0), entry(2, 1)], 2);
  expect([gallery.size, gallery.revision]).toEqual([2, 2]);
  expect(gallery.nearestPeople(at(0), { count: 9, limit: 9 }).map(({ personId }) => personId)).toEqual([2]);
});
