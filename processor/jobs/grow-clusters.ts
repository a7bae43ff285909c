import { createNeighbourIndex } from './neighbour-index.ts';

// Density-based clusters (DBSCAN; Ester et al. 1996) that grow face by face (after IncrementalDBSCAN; Ester et al. 1998). The
// numbers are argued in docs/adr/0014-clusters.md.

/** Two faces so near to each other are neighbours. */
export const NEIGHBOUR_DISTANCE = 0.45;
/** A misleading face may only join others, and only from here. */
export const MISLEADING_DISTANCE = 0.9 * NEIGHBOUR_DISTANCE;
/** A face with neighbours in so many other photos is a core: whoever is near to it belongs to its cluster. */
export const CORE_NEIGHBOURS = 2;
/** Fewer faces are no cluster, unless a person has made it. */
export const MIN_CLUSTER_SIZE = CORE_NEIGHBOURS + 1;

export interface ClusterableFace {
  readonly id: number;
  readonly imageId: number;
  /** 128 floats. */
  readonly descriptor: Float32Array;
  /** Strangers come near to it (lib/face-quality.ts). */
  readonly isMisleading: boolean;
  /** Greater is better to look at. */
  readonly rank: number;
}

export interface Membership {
  readonly clusterId: number | null;
  readonly isCore: boolean;
}

/** What is to be written. Ids below 0 are of clusters that are not stored yet. */
export interface ClusterChanges {
  /** Faces that are new or have changed: where they were when the changes before were taken, and where they are now. */
  readonly faces: ReadonlyMap<number, Membership & { readonly before: number | null }>;
  /** Stored clusters that have become part of another one, in this order. */
  readonly merged: readonly { readonly from: number; readonly into: number }[];
  /** Clusters whose members have changed, and the face to show each by. */
  readonly touched: ReadonlyMap<number, { readonly coverFaceId: number | null }>;
}

/** The unknown faces of one model, and what belongs together among them. */
export interface ClusterSpace {
  readonly faceCount: number;
  /** Takes a face as it was left, without growing anything. */
  restore(face: ClusterableFace, membership: Membership): void;
  /** Takes a new face: it joins a cluster, begins one, joins several to one, or stays alone. */
  add(face: ClusterableFace): void;
  /** What it has led to while it was there stays: the others of its cluster are together all the same. */
  remove(faceId: number): void;
  membersOf(clusterIds: readonly number[]): number[];
  /** Two clusters that a person has split: they never become one. */
  setApart(one: number, other: number): void;
  /** Its faces are alone from now on. */
  dissolve(clusterId: number): void;
  /** @param also clusters that are to be counted again */
  takeChanges(also?: readonly number[]): ClusterChanges;
  /** Gives a cluster the id that it is stored under. */
  renumber(from: number, into: number): void;
}

interface Member {
  readonly face: ClusterableFace;
  clusterId: number | null;
  isCore: boolean;
}

interface NearMember {
  readonly member: Member;
  /** Euclidean. */
  readonly distance: number;
}

export function createClusterSpace(): ClusterSpace {
  const index = createNeighbourIndex();
  const members = new Map<number, Member>();
  const clusters = new Map<number, Set<Member>>();
  const apart = new Map<number, Set<number>>();
  let before = new Map<number, number | null>();
  let merged: { from: number; into: number }[] = [];
  let touched = new Set<number>();
  let nextId = -1;

  /** Nearest first. Two faces of one photo are two people, however alike they look. */
  function neighboursOf({ id, imageId, descriptor }: ClusterableFace): NearMember[] {
    const neighbours: NearMember[] = [];
    for (const near of index.findNear(descriptor, NEIGHBOUR_DISTANCE)) {
      const member = members.get(near.id);
      if (member === undefined || near.id === id || member.face.imageId === imageId) continue;
      neighbours.push({ member, distance: near.distance });
    }
    return neighbours;
  }

  function note(member: Member): void {
    if (!before.has(member.face.id)) before.set(member.face.id, member.clusterId);
  }

  function put(member: Member, clusterId: number): void {
    note(member);
    member.clusterId = clusterId;
    enter(member, clusterId);
    touched.add(clusterId);
  }

  function enter(member: Member, clusterId: number): void {
    const cluster = clusters.get(clusterId) ?? new Set();
    clusters.set(clusterId, cluster.add(member));
  }

  /** The older one stays: of stored ones that with the smaller id. */
  function merge(one: number, other: number): void {
    const [into, from] = isOlder(one, other) ? [one, other] : [other, one];
    for (const member of clusters.get(from) ?? []) {
      // Members of a stored one follow where it is stored, all at once.
      if (from < 0) note(member);
      member.clusterId = into;
      enter(member, into);
    }
    clusters.delete(from);
    touched.delete(from);
    touched.add(into);
    if (from > 0) merged.push({ from, into });
    for (const third of apart.get(from) ?? []) {
      apart.get(third)?.delete(from);
      setApart(into, third);
    }
    apart.delete(from);
  }

  function setApart(one: number, other: number): void {
    for (const [a, b] of [
      [one, other],
      [other, one],
    ] as const) {
      const others = apart.get(a) ?? new Set();
      apart.set(a, others.add(b));
    }
  }

  /** Joins a new core to everything around it. */
  function connect(core: Member, near: readonly NearMember[]): void {
    for (const other of goodOnes(near)) {
      if (!other.isCore || other.clusterId === null || other.clusterId === core.clusterId) continue;
      if (core.clusterId === null) put(core, other.clusterId);
      else if (!apart.get(core.clusterId)?.has(other.clusterId)) merge(core.clusterId, other.clusterId);
    }
    if (core.clusterId === null) put(core, nextId--);
    for (const { member, distance } of near) {
      if (member.clusterId === null && canJoin(member.face, distance)) put(member, core.clusterId as number);
    }
  }

  function joinNearestCore(member: Member, near: readonly NearMember[]): void {
    const core = near.find((other) => other.member.isCore && canJoin(member.face, other.distance))?.member;
    if (core !== undefined && core.clusterId !== null) put(member, core.clusterId);
  }

  function dissolve(clusterId: number): void {
    for (const member of clusters.get(clusterId) ?? []) {
      member.clusterId = null;
      member.isCore = false;
    }
    clusters.delete(clusterId);
    touched.delete(clusterId);
    for (const other of apart.get(clusterId) ?? []) apart.get(other)?.delete(clusterId);
    apart.delete(clusterId);
  }

  return {
    get faceCount() {
      return members.size;
    },

    restore(face, { clusterId, isCore }) {
      const member = { face, clusterId, isCore };
      members.set(face.id, member);
      index.add(face.id, face.descriptor);
      if (clusterId !== null) enter(member, clusterId);
    },

    add(face) {
      const member: Member = { face, clusterId: null, isCore: false };
      const near = neighboursOf(face);
      members.set(face.id, member);
      index.add(face.id, face.descriptor);
      note(member);
      if (!face.isMisleading) {
        const newCores = goodOnes(near).flatMap((one) => {
          if (one.isCore) return [];
          const around = neighboursOf(one.face);
          return isDense(around) ? [{ core: one, around }] : [];
        });
        if (isDense(near)) newCores.push({ core: member, around: near });
        for (const { core } of newCores) {
          note(core);
          core.isCore = true;
        }
        for (const { core, around } of newCores) connect(core, around);
      }
      if (member.clusterId === null) joinNearestCore(member, near);
    },

    remove(faceId) {
      const member = members.get(faceId);
      if (member === undefined) return;
      members.delete(faceId);
      before.delete(faceId);
      index.remove(faceId);
      if (member.clusterId === null) return;
      clusters.get(member.clusterId)?.delete(member);
      touched.add(member.clusterId);
    },

    membersOf: (ids) => ids.flatMap((id) => [...(clusters.get(id) ?? [])].map(({ face }) => face.id)),
    setApart,
    dissolve,

    takeChanges(also = []) {
      for (const [clusterId, cluster] of [...clusters]) {
        if (clusterId < 0 && cluster.size < MIN_CLUSTER_SIZE) dissolve(clusterId);
      }
      const faces = new Map(
        [...before].flatMap(([id, clusterBefore]) => {
          const member = members.get(id);
          if (member === undefined) return [];
          return [[id, { before: clusterBefore, clusterId: member.clusterId, isCore: member.isCore }] as const];
        }),
      );
      const changes = {
        faces,
        merged,
        touched: new Map([...touched, ...also].map((id) => [id, { coverFaceId: findCover(clusters.get(id)) }])),
      };
      before = new Map();
      merged = [];
      touched = new Set();
      return changes;
    },

    renumber(from, into) {
      for (const member of clusters.get(from) ?? []) {
        member.clusterId = into;
        enter(member, into);
      }
      clusters.delete(from);
    },
  };
}

const goodOnes = (near: readonly NearMember[]): Member[] =>
  near.flatMap(({ member }) => (member.face.isMisleading ? [] : [member]));

/** Whether they are in so many photos that whoever they are around is a core. */
function isDense(near: readonly NearMember[]): boolean {
  const photos = new Set<number>();
  for (const { member } of near) {
    if (!member.face.isMisleading && photos.add(member.face.imageId).size >= CORE_NEIGHBOURS) return true;
  }
  return false;
}

/** Stored ones by id; those that are not stored yet come after them, and count down. */
function isOlder(one: number, other: number): boolean {
  if (one > 0 !== other > 0) return one > 0;
  return one > 0 ? one < other : one > other;
}

const canJoin = ({ isMisleading }: ClusterableFace, distance: number) =>
  !isMisleading || distance <= MISLEADING_DISTANCE;

function findCover(cluster: ReadonlySet<Member> | undefined): number | null {
  let best: ClusterableFace | null = null;
  for (const { face } of cluster ?? []) {
    if (best === null || face.rank > best.rank || (face.rank === best.rank && face.id < best.id)) best = face;
  }
  return best?.id ?? null;
}
