import type { KnownFaces, KnownPerson, Look } from './known-faces.ts';

/** The nearest known face of one person. */
export interface NearestPerson {
  readonly personId: number;
  readonly personImageId: number;
  /** Euclidean. */
  readonly distance: number;
}

/** Collects the nearest face of each person; a look that comes up again changes nothing. */
export function collectNearest(probe: Float32Array, { descriptors, faceAt }: KnownFaces) {
  const best = new Map<KnownPerson, { slot: number; squared: number }>();
  return {
    get people() {
      return best.size;
    },
    consider({ person, slots }: Look) {
      const nearest = best.get(person);
      let squared = nearest?.squared ?? Number.POSITIVE_INFINITY;
      let found = -1;
      for (const slot of slots) {
        const distance = descriptors.squaredDistance(probe, slot);
        if (distance < squared) {
          squared = distance;
          found = slot;
        }
      }
      if (found < 0) return;
      if (nearest === undefined) best.set(person, { slot: found, squared });
      else Object.assign(nearest, { slot: found, squared });
    },
    list(count: number, limit: number): NearestPerson[] {
      const chosen: { person: KnownPerson; slot: number; squared: number }[] = [];
      for (const [person, { slot, squared }] of best) {
        if (chosen.length === count && squared >= (chosen[count - 1]?.squared ?? 0)) continue;
        if (Math.sqrt(squared) > limit) continue;
        const place = chosen.findIndex((other) => squared < other.squared);
        chosen.splice(place < 0 ? chosen.length : place, 0, { person, slot, squared });
        if (chosen.length > count) chosen.pop();
      }
      return chosen.map(({ person, slot, squared }) => ({
        personId: person.id,
        personImageId: faceAt(slot)?.id ?? 0,
        distance: Math.sqrt(squared),
      }));
    },
  };
}
