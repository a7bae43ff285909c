import { crc32 } from 'node:zlib';
import type { GalleryEntry } from '../lib/gallery.ts';
import { createDescriptorTable, type DescriptorTable } from './descriptor-table.ts';

/**
 * A face joins a look of its person when it is within this distance of the look's first face: about the distance up to
 * which face-api's descriptors show the same person. So someone with and without a beard has two looks.
 */
const LOOK_RADIUS = 0.55;
/** More faces than this do not share a look: searching one must stay cheap. */
const MAX_LOOK_FACES = 64;

export interface KnownPerson {
  readonly id: number;
  name: string;
  readonly looks: Look[];
}

/** Faces of one person that resemble each other. */
export interface Look {
  readonly person: KnownPerson;
  /** Where its faces are; never empty while the look exists. */
  readonly slots: number[];
  /** In the index; 0 while it is not there. */
  key: number;
}

/** What was known of a face, by its slot. */
export interface KnownFace {
  readonly id: number;
  readonly imageName: string;
  readonly look: Look;
}

export interface KnownFaces {
  readonly size: number;
  /** Differs between any two states that differ in anything but their order (CRC-32 of each face, all of them XORed). */
  readonly digest: number;
  readonly people: ReadonlyMap<number, KnownPerson>;
  readonly descriptors: DescriptorTable;
  /** Of all faces. */
  ids(): IterableIterator<number>;
  findSlot(faceId: number): number | undefined;
  faceAt(slot: number): KnownFace | undefined;
  /** Of the face in that slot, as `digestOf` says it. */
  digestAt(slot: number): number;
  /** @returns the look that now holds the face; the caller takes care that no other face has its id */
  add(entry: GalleryEntry, changing: (look: Look) => void): Look;
  /** Puts a face back that a snapshot tells of, in the look that it was in, and with the digest that it had. */
  restore(entry: GalleryEntry, look: Look, digest: number): void;
  /** A person whom a snapshot tells of. */
  restorePerson(id: number, name: string): KnownPerson;
  remove(slot: number, changing: (look: Look) => void): Look;
  /** Until it is let go, a slot that becomes free stays empty: who writes a snapshot finds each face, or zeros. */
  hold(): () => void;
  /** The mean of the look's descriptors, 128 floats at `target[offset]`. */
  writeCentroid(look: Look, target: Float32Array, offset: number): void;
}

/** CRC-32 of everything that matters in a known face; the database computes the same (lib/people.ts). */
export function digestOf(entry: GalleryEntry): number {
  const { descriptor } = entry;
  const text = `${entry.personImageId}/${entry.personId}/${entry.imageName}/${entry.personName}/`;
  return crc32(new Uint8Array(descriptor.buffer, descriptor.byteOffset, descriptor.byteLength), crc32(text));
}

/** The known faces of one model: columns by slot for the faces, objects for people and their looks only. */
export function createKnownFaces(): KnownFaces {
  const people = new Map<number, KnownPerson>();
  const slotOf = new Map<number, number>();
  const ids: number[] = [];
  const imageNames: string[] = [];
  const looks: (Look | null)[] = [];
  const digests: number[] = [];
  const descriptors = createDescriptorTable();
  const free: number[] = [];
  const heldBack: number[] = [];
  let holders = 0;
  let digest = 0;

  const entryAt = (slot: number): GalleryEntry => {
    const person = looks[slot]?.person;
    return {
      personImageId: ids[slot] ?? 0,
      personId: person?.id ?? 0,
      personName: person?.name ?? '',
      imageName: imageNames[slot] ?? '',
      descriptor: descriptors.read(slot),
    };
  };
  const place = (entry: GalleryEntry, look: Look, faceDigest: number) => {
    const slot = free.pop() ?? ids.length;
    ids[slot] = entry.personImageId;
    imageNames[slot] = entry.imageName;
    looks[slot] = look;
    digests[slot] = faceDigest;
    digest = (digest ^ faceDigest) >>> 0;
    descriptors.write(slot, entry.descriptor);
    slotOf.set(entry.personImageId, slot);
    look.slots.push(slot);
  };
  const restorePerson = (id: number, name: string) => {
    const person: KnownPerson = { id, name, looks: [] };
    people.set(id, person);
    return person;
  };
  const rename = (person: KnownPerson, name: string) => {
    person.name = name;
    for (const slot of person.looks.flatMap((look) => look.slots)) {
      digest = (digest ^ (digests[slot] ?? 0)) >>> 0;
      digests[slot] = digestOf(entryAt(slot));
      digest = (digest ^ (digests[slot] ?? 0)) >>> 0;
    }
  };

  return {
    get size() {
      return slotOf.size;
    },
    get digest() {
      return digest;
    },
    people,
    descriptors,
    ids: () => slotOf.keys(),
    findSlot: (faceId) => slotOf.get(faceId),
    faceAt(slot) {
      const look = looks[slot];
      return look ? { id: ids[slot] ?? 0, imageName: imageNames[slot] ?? '', look } : undefined;
    },
    digestAt: (slot) => digests[slot] ?? 0,

    add(entry, changing) {
      const person = people.get(entry.personId) ?? restorePerson(entry.personId, entry.personName);
      if (person.name !== entry.personName) rename(person, entry.personName);
      const look = chooseLook(person, entry.descriptor, descriptors);
      changing(look);
      place(entry, look, digestOf(entry));
      return look;
    },

    restore: place,
    restorePerson,

    remove(slot, changing) {
      const look = looks[slot];
      if (!look) throw new Error(`There is no face in slot ${slot}.`);
      changing(look);
      look.slots.splice(look.slots.indexOf(slot), 1);
      if (look.slots.length === 0) look.person.looks.splice(look.person.looks.indexOf(look), 1);
      if (look.person.looks.length === 0) people.delete(look.person.id);
      slotOf.delete(ids[slot] ?? 0);
      digest = (digest ^ (digests[slot] ?? 0)) >>> 0;
      ids[slot] = 0;
      imageNames[slot] = '';
      looks[slot] = null;
      digests[slot] = 0;
      descriptors.erase(slot);
      (holders > 0 ? heldBack : free).push(slot);
      return look;
    },

    hold() {
      holders++;
      return () => {
        holders--;
        if (holders === 0) free.push(...heldBack.splice(0));
      };
    },

    writeCentroid(look, target, offset) {
      target.fill(0, offset, offset + 128);
      for (const slot of look.slots) {
        const descriptor = descriptors.read(slot);
        for (let i = 0; i < descriptor.length; i++) {
          target[offset + i] = (target[offset + i] ?? 0) + (descriptor[i] ?? 0) / look.slots.length;
        }
      }
    },
  };
}

/** The nearest look that has room, or a new one. */
function chooseLook(person: KnownPerson, descriptor: Float32Array, descriptors: DescriptorTable): Look {
  let nearest = LOOK_RADIUS * LOOK_RADIUS;
  let chosen: Look | null = null;
  for (const look of person.looks) {
    const [first] = look.slots;
    if (first === undefined || look.slots.length >= MAX_LOOK_FACES) continue;
    const distance = descriptors.squaredDistance(descriptor, first);
    if (distance <= nearest) {
      nearest = distance;
      chosen = look;
    }
  }
  if (chosen) return chosen;
  const look: Look = { person, slots: [], key: 0 };
  person.looks.push(look);
  return look;
}
