import type { Probe } from './compare-faces.ts';

/** What becomes of photos that are compared with all others, each in turn (leave one out). */
export interface Identification {
  /** Photos whose person has another one. */
  readonly probes: number;
  /** How many of them are nearest to a photo of the same person. */
  readonly right: number;
  /** right / probes. */
  readonly rank1: number;
}

export interface NamedAtThreshold {
  /** Shares (0..1) of the probes; the three add up to 1. */
  readonly namedRight: number;
  readonly namedWrong: number;
  readonly unknown: number;
  /** The share of all photos that would be given somebody else's name if no photo of their own person were known. */
  readonly strangersNamed: number;
}

export function measureRank1(all: readonly Probe[]): Identification {
  const probes = all.filter(({ toSamePerson }) => toSamePerson !== null);
  const right = probes.filter(isRight).length;
  return { probes: probes.length, right, rank1: right / probes.length };
}

/** As the recognizer names a face: the nearest known one is whose it is, when it is within the threshold. */
export function nameAtThreshold(all: readonly Probe[], threshold: number): NamedAtThreshold {
  const probes = all.filter(({ toSamePerson }) => toSamePerson !== null);
  const named = probes.filter(({ toSamePerson, toOthers }) => Math.min(toSamePerson ?? 0, toOthers) <= threshold);
  const right = named.filter(isRight).length;
  return {
    namedRight: right / probes.length,
    namedWrong: (named.length - right) / probes.length,
    unknown: (probes.length - named.length) / probes.length,
    strangersNamed: all.filter(({ toOthers }) => toOthers <= threshold).length / all.length,
  };
}

/** A tie with somebody else is no recognition. */
function isRight({ toSamePerson, toOthers }: Probe): boolean {
  return toSamePerson !== null && toSamePerson < toOthers;
}
