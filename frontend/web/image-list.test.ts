import { describe, expect, test } from 'vitest';
import type { Face, Image, ImagePage, ImageStatus } from './api.ts';
import {
  appendOlder,
  emptyList,
  findPage,
  findStalePage,
  forgetFar,
  holdBackNewer,
  type ImageList,
  isHeld,
  markDirty,
  markDirtyPerson,
  mergeFirst,
  refreshPage,
  removeImage,
} from './image-list.ts';

describe('mergeFirst', () => {
  test('the first page is the list', () => {
    const list = mergeFirst(emptyList('newest'), makePage([3, 2], 'c2'));
    expect(idsOf(list)).toEqual([3, 2]);
    expect(list.olderCursor).toBe('c2');
  });

  test('new images come on top, older ones stay, and so does the way to the rest', () => {
    const list = mergeFirst(makeList([5, 4, 3, 2]), makePage([6, 5, 4], 'c4'));
    expect(idsOf(list)).toEqual([6, 5, 4, 3, 2]);
    expect(list.olderCursor).toBe('c2');
  });

  test('what the newest page no longer holds is gone', () => {
    expect(idsOf(mergeFirst(makeList([5, 4, 3, 2]), makePage([5, 3], 'c3')))).toEqual([5, 3, 2]);
    expect(idsOf(mergeFirst(makeList([5, 4, 3]), makePage([], null)))).toEqual([]);
    expect(idsOf(mergeFirst(makeList([5, 4, 3]), makePage([5], null)))).toEqual([5]);
  });

  test('more new images than a page holds: no hole, the cursor leads to the others', () => {
    const list = mergeFirst(makeList([5, 4]), makePage([99, 98], 'c98'));
    expect(idsOf(list)).toEqual([99, 98]);
    expect(list.olderCursor).toBe('c98');
  });

  test('an image that has not changed stays the same object', () => {
    const before = makeList([5, 4]);
    const after = mergeFirst(before, makePage([6, 5, 4], 'c4'));
    expect(after.images[1]).toBe(before.images[0]);
    const changed = mergeFirst(before, { images: [makeImage(5, 'pending'), makeImage(4)], nextCursor: 'c4' });
    expect(statusesOf(changed)[0]).toBe('pending');
  });
});

describe('older pages', () => {
  test('are put at the end, once', () => {
    const list = appendOlder(makeList([5, 4]), 'c4', makePage([3, 2], null));
    expect(idsOf(list)).toEqual([5, 4, 3, 2]);
    expect(list.olderCursor).toBeNull();
    expect(appendOlder(list, 'c4', makePage([3, 2], null))).toBe(list);
  });

  test('are asked for again while something in them waits, the oldest first', () => {
    let list = mergeFirst(emptyList('newest'), makePage([9, 8], 'c8', 'pending'));
    expect(findStalePage(list)).toBeNull();
    list = appendOlder(list, 'c8', makePage([7, 6], 'c6', 'pending'));
    list = appendOlder(list, 'c6', makePage([5, 4], 'c4', 'pending'));
    expect(findStalePage(list)).toBe('c6');
    list = refreshPage(list, 'c6', makePage([5, 4], 'c4'));
    expect(statusesOf(list)).toEqual([...Array(4).fill('pending'), 'unknown', 'unknown']);
    expect(findStalePage(list)).toBe('c8');
    list = refreshPage(list, 'c8', makePage([7, 6], 'c6'));
    expect(findStalePage(list)).toBeNull();
    expect(idsOf(list)).toEqual([9, 8, 7, 6, 5, 4]);
    expect(list.olderCursor).toBe('c4');
  });

  test('a waiting row between the marks is reached, though pages have shifted', () => {
    let list = mergeFirst(emptyList('newest'), makePage([4, 3, 2], 'c2', 'pending'));
    for (const top of [6, 8, 10]) list = mergeFirst(list, makePage([top, top - 1, top - 2], `c${top - 2}`));
    const server = Array.from({ length: 10 }, (_, index) => makeImage(10 - index));
    const asked: string[] = [];
    for (let cursor = findStalePage(list); cursor !== null && asked.length < 10; cursor = findStalePage(list)) {
      asked.push(cursor);
      const images = server.filter(({ id }) => id < Number(cursor?.slice(1))).slice(0, 3);
      const last = images.at(-1)?.id ?? 0;
      list = refreshPage(list, cursor, { images, nextCursor: last > 1 ? `c${last}` : null });
    }
    expect(asked).toEqual(['c8', 'c5']);
    expect(statusesOf(list).every((status) => status === 'unknown')).toBe(true);
    expect(idsOf(list)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2]);
  });

  test('that reach beyond the end of the list take its end along', () => {
    let list = appendOlder(makeList([9, 8]), 'c8', makePage([7, 6], 'c6', 'pending'));
    list = refreshPage(list, 'c8', makePage([5, 4], 'c4'));
    expect(idsOf(list)).toEqual([9, 8, 5, 4]);
    expect(list.olderCursor).toBe('c4');
  });
});

describe('what events tell', () => {
  const longList = () =>
    appendOlder(appendOlder(makeList([9, 8]), 'c8', makePage([7, 6], 'c6')), 'c6', makePage([5, 4], 'c4'));

  test('a page with an image that is not what it was is asked for again, once', () => {
    let list = markDirty(longList(), [5]);
    expect(findStalePage(list)).toBe('c6');
    list = refreshPage(list, 'c6', makePage([5, 4], 'c4', 'no_face'));
    expect(statusesOf(list)).toEqual([...Array(4).fill('unknown'), 'no_face', 'no_face']);
    expect(findStalePage(list)).toBeNull();
  });

  test('the newest page is asked for anyway, and what is older than the list is not in it', () => {
    expect(findStalePage(markDirty(longList(), [9, 8, 3, 2]))).toBeNull();
    expect(markDirty(longList(), [3])).toEqual(longList());
    expect(mergeFirst(markDirty(longList(), [9]), makePage([9, 8], 'c8')).dirty.size).toBe(0);
  });

  test('a page that is shorter than what was asked for before is gone on with', () => {
    let list = appendOlder(makeList([9, 8]), 'c8', makePage([7, 6, 5, 4], 'c4'));
    list = markDirty(list, [4]);
    expect(findStalePage(list)).toBe('c8');
    list = refreshPage(list, 'c8', makePage([7, 6], 'c6'));
    expect(findStalePage(list)).toBe('c6');
    list = refreshPage(list, 'c6', makePage([5, 4], 'c4'));
    expect(findStalePage(list)).toBeNull();
    expect(idsOf(list)).toEqual([9, 8, 7, 6, 5, 4]);
  });

  test('somebody with another name is read again wherever they are', () => {
    const list = longList();
    const ada = { ...makeFace(), person: { id: 3, name: 'Ada' } };
    const images = list.images.map((image) => (image.id === 4 ? { ...makeImage(4), faces: [ada] } : image));
    expect([...markDirtyPerson({ ...list, images }, new Set([3])).dirty]).toEqual([4]);
    expect(markDirtyPerson({ ...list, images }, new Set([8])).dirty.size).toBe(0);
  });

  test('a deleted image goes', () => {
    expect(idsOf(removeImage(longList(), 7))).toEqual([9, 8, 6, 5, 4]);
  });

  test('a page in which nothing was found in time leaves the rows as they are', () => {
    expect(idsOf(mergeFirst(longList(), { images: [], nextCursor: 'c2' }))).toEqual([9, 8, 7, 6, 5, 4]);
  });
});

describe('far rows', () => {
  const longList = () => appendOlder(makeList([9, 8]), 'c8', makePage([7, 6, 5, 4], 'c4'));

  test('are forgotten but for their places, and are read again by the page that they are in', () => {
    const list = forgetFar(longList(), 0, 1, 2);
    expect(idsOf(list)).toEqual([9, 8, 7, 6, 5, 4]);
    expect(statusesOf(list)).toEqual(['unknown', 'unknown', 'unknown', null, null, null]);
    expect(findPage(list, { id: 5, path: '' })).toBe('c8');
    const again = refreshPage(list, 'c8', makePage([7, 6, 5], 'c5', 'no_face'));
    expect(statusesOf(again)).toEqual(['unknown', 'unknown', 'no_face', 'no_face', 'no_face', null]);
    expect(findPage(again, { id: 4, path: '' })).toBe('c5');
  });

  test('the others stay the same objects', () => {
    const list = longList();
    expect(forgetFar(list, 5, 6, 1).images[5]).toBe(list.images[5]);
    expect(isHeld(forgetFar(list, 5, 6, 1).images[2] ?? makeImage(1))).toBe(false);
  });
});

describe('in another order', () => {
  test('oldest first: new images come at the end, by the last page', () => {
    let list = mergeFirst(emptyList('oldest'), makePage([1, 2], 'c2'));
    list = appendOlder(list, 'c2', makePage([3, 4], null));
    list = markDirty(list, [5]);
    expect(findStalePage(list)).toBe('c2');
    list = refreshPage(list, 'c2', makePage([3, 4, 5], null));
    expect(idsOf(list)).toEqual([1, 2, 3, 4, 5]);
    expect(findStalePage(list)).toBeNull();
    expect(idsOf(mergeFirst(list, makePage([2], 'c2')))).toEqual([2, 3, 4, 5]);
  });

  test('by path: a row finds its place whatever its id', () => {
    const image = (id: number, path: string) => ({ ...makeImage(id), path });
    let list = mergeFirst(emptyList('path'), { images: [image(7, 'a'), image(3, 'c')], nextCursor: 'p3' });
    list = appendOlder(list, 'p3', {
      images: [image(9, 'x'), image(1, '\u{ff5e}'), image(2, '\u{1f600}')],
      nextCursor: null,
    });
    expect(idsOf(list)).toEqual([7, 3, 9, 1, 2]);
    list = markDirty(list, [1, 99]);
    expect([...list.dirty]).toEqual([1]);
    expect(findStalePage(list)).toBe('p3');
    list = mergeFirst(list, { images: [image(7, 'a'), image(8, 'b')], nextCursor: 'p8' });
    expect(idsOf(list)).toEqual([7, 8, 3, 9, 1, 2]);
  });
});

describe('holdBackNewer', () => {
  const list = makeList([5, 4, 3]);

  test('at the top everything is shown', () => {
    expect(holdBackNewer(list, null)).toEqual({ rows: list.images, newer: 0 });
  });

  test('while reading, newer rows are only counted, and older ones still come', () => {
    const { rows, newer } = holdBackNewer(list, { id: 4, path: '' });
    expect(rows.map(({ id }) => id)).toEqual([4, 3]);
    expect(newer).toBe(1);
  });

  test('after a flood the reader keeps what was there', () => {
    const flood = makePage([99, 98], 'c98');
    expect(mergeFirst(list, flood, { keep: true })).toEqual({ ...list, isBehind: true });
    expect(idsOf(mergeFirst(list, flood))).toEqual([99, 98]);
  });
});

function idsOf(list: ImageList): number[] {
  return list.images.map(({ id }) => id);
}

function statusesOf(list: ImageList): (ImageStatus | null)[] {
  return list.images.map((image) => (isHeld(image) ? image.status : null));
}

function makeList(ids: readonly number[]): ImageList {
  return mergeFirst(emptyList('newest'), makePage(ids, `c${ids.at(-1)}`));
}

function makePage(ids: readonly number[], nextCursor: string | null, status?: ImageStatus): ImagePage {
  return { images: ids.map((id) => makeImage(id, status)), nextCursor };
}

function makeFace(): Face {
  return {
    id: 1,
    box: { left: 0, top: 0, width: 0.1, height: 0.1 },
    ...{ confidence: 1, person: null, similarity: null, distance: null, referenceImage: null, quality: null },
    ...{ decidedBy: 'gallery', threshold: null, model: null, galleryRevision: null },
  };
}

function makeImage(id: number, status: ImageStatus = 'unknown'): Image {
  return {
    id,
    path: `${id}.jpg`,
    status,
    person: null,
    similarity: null,
    reason: null,
    width: null,
    height: null,
    createdAt: '2026-11-21T12:00:00Z',
    finishedAt: null,
    faces: [],
  };
}
