import {
  type Distances,
  equalErrorRate,
  falseAcceptRate,
  falseRejectRate,
  pairsNeededFor,
  smallestFar,
  thresholdForFar,
} from '../../lib/error-rates.ts';
import { LaunchError } from '../launch-error.ts';
import { type Comparison, type ComparisonOptions, compareFaces } from './compare-faces.ts';
import type { SeenPhoto } from './describe-tree.ts';
import { type Identification, measureRank1, type NamedAtThreshold, nameAtThreshold } from './identification.ts';

export interface RatesAtThreshold extends NamedAtThreshold {
  readonly threshold: number;
  /** Shares (0..1) of impostor and genuine pairs. */
  readonly far: number;
  readonly frr: number;
}

/** FRR at a FAR; null with the number of impostor pairs that it would take. */
export interface RateAtFar {
  readonly far: number;
  readonly pairsNeeded: number;
  readonly at: RatesAtThreshold | null;
}

export interface Suggestion {
  /** What was wanted, or the smallest FAR that the set can show, where that is larger. */
  readonly far: number;
  readonly at: RatesAtThreshold;
}

export interface Accuracy {
  readonly comparison: Comparison;
  readonly identification: Identification;
  readonly table: readonly RatesAtThreshold[];
  readonly atThreshold: RatesAtThreshold;
  readonly equalError: { readonly rate: number; readonly threshold: number };
  readonly atFars: readonly RateAtFar[];
  /** Null when the impostor pairs are too few for any FAR worth wanting. */
  readonly suggestion: Suggestion | null;
  /** Photos left out because their file is in the person's folder twice: finding a file by its copy proves nothing. */
  readonly copies: readonly string[];
}

const TABLE = Array.from({ length: 11 }, (_, step) => Math.round(30 + step * 5) / 100);
const FARS = [0.01, 0.001, 0.0001];
/** Nobody wants a threshold that lets more strangers through than this. */
const LARGEST_USEFUL_FAR = 0.01;

/** @throws LaunchError when the photos with a face allow no genuine or no impostor pair */
export function measureAccuracy(
  photos: readonly SeenPhoto[],
  options: { threshold: number; far: number } & ComparisonOptions,
): Accuracy {
  const { faces, copies } = selectFaces(photos);
  const comparison = compareFaces(faces, options);
  const { genuine, impostor, probes } = comparison;
  if (genuine.pairs === 0 || impostor.pairs === 0) throw tooFewPairs(photos, genuine.pairs);
  const distances = { genuine: genuine.distances, impostor: impostor.distances };
  const ratesAt = (threshold: number): RatesAtThreshold => ({
    threshold,
    far: falseAcceptRate(distances.impostor, threshold),
    frr: falseRejectRate(distances.genuine, threshold),
    ...nameAtThreshold(probes, threshold),
  });
  return {
    comparison,
    identification: measureRank1(probes),
    table: [...new Set([...TABLE, options.threshold])].sort((a, b) => a - b).map(ratesAt),
    atThreshold: ratesAt(options.threshold),
    equalError: equalErrorRate(distances),
    atFars: FARS.map((far) => ({ far, pairsNeeded: pairsNeededFor(far), at: rateAtFar(distances, far, ratesAt) })),
    suggestion: suggest(distances, options.far, ratesAt),
    copies,
  };
}

function selectFaces(photos: readonly SeenPhoto[]) {
  const faces: { person: string; descriptor: Float32Array }[] = [];
  const copies: string[] = [];
  const seen = new Set<string>();
  for (const photo of photos) {
    if (photo.kind !== 'face') continue;
    const file = `${photo.contentHash} ${photo.person}`;
    if (seen.has(file)) copies.push(photo.imageName);
    else faces.push(photo);
    seen.add(file);
  }
  return { faces, copies };
}

function rateAtFar({ impostor }: Distances, far: number, ratesAt: (threshold: number) => RatesAtThreshold) {
  const threshold = thresholdForFar(impostor, far);
  return threshold === null ? null : ratesAt(threshold);
}

function suggest(distances: Distances, wanted: number, ratesAt: (threshold: number) => RatesAtThreshold) {
  const far = Math.max(wanted, smallestFar(distances.impostor.length));
  if (far > Math.max(wanted, LARGEST_USEFUL_FAR)) return null;
  const at = rateAtFar(distances, far, ratesAt);
  return at && { far, at };
}

function tooFewPairs(photos: readonly SeenPhoto[], genuinePairs: number): LaunchError {
  const withFace = photos.filter(({ kind }) => kind === 'face').length;
  const missing = genuinePairs === 0 ? 'no person has two different photos with a face' : 'only one person has a face';
  const [reason] = photos.flatMap((photo) => (photo.kind === 'unreadable' ? photo.reason : []));
  return new LaunchError(
    `Nothing can be compared: of ${photos.length} photos ${withFace} show a face, and ${missing}.` +
      `${reason === undefined ? '' : ` The first unreadable one: ${reason}`}`,
  );
}
