import { countAtMost, falseRejectRate, pairsNeededFor } from '../../lib/error-rates.ts';
import { CANDIDATE_LIMIT } from '../../lib/similarity.ts';
import { mostErrors, rateAtMost } from './confidence-bound.ts';

export interface Suggestion {
  /** In thousandths; null when there is nothing to go by. */
  readonly threshold: number | null;
  /** With 95 % confidence the rate of false accepts is at most the wanted one. */
  readonly sure: boolean;
  /** Comparisons with strangers that it rests on. */
  readonly trials: number;
  /** Of these below the threshold. */
  readonly falseAccepts: number;
  /** Their true rate is below this, with 95 % confidence; null without any trial. */
  readonly falseAcceptRateAtMost: number | null;
  /** The share of a person's own faces that are too far; null when there are none to tell by. */
  readonly falseRejectRate: number | null;
  /** Trials that it takes to be sure. */
  readonly needed: number;
}

/**
 * The largest threshold of which the distances show, with 95 % confidence, that it takes at most `wanted` of the strangers
 * for somebody. Where there are too few of them: the largest that takes none.
 *
 * @param distances ascending: of people's own faces, of strangers
 * @param wanted 0..1, neither 0 nor 1
 */
export function suggestThreshold(
  { genuine, impostor }: { genuine: Float64Array; impostor: Float64Array },
  wanted: number,
): Suggestion {
  const trials = impostor.length;
  const needed = pairsNeededFor(wanted);
  if (trials === 0) {
    const nothing = { threshold: null, falseAcceptRateAtMost: null, falseRejectRate: null };
    return { ...nothing, sure: false, trials, falseAccepts: 0, needed };
  }
  const allowed = mostErrors(wanted, trials);
  const tooNear = impostor[Math.max(0, allowed)] ?? Number.POSITIVE_INFINITY;
  const threshold = Math.max(0, Math.min(CANDIDATE_LIMIT, (Math.ceil(tooNear * 1000) - 1) / 1000));
  const falseAccepts = countAtMost(impostor, threshold);
  const atMost = rateAtMost(falseAccepts, trials);
  return {
    threshold,
    sure: atMost <= wanted,
    trials,
    falseAccepts,
    falseAcceptRateAtMost: atMost,
    falseRejectRate: genuine.length === 0 ? null : falseRejectRate(genuine, threshold),
    needed,
  };
}

/** Counts of distances in bins of equal width; the last one is followed by all that lie beyond. */
export interface Histogram {
  readonly binWidth: number;
  /** The first bin begins at 0; each holds what is at least its lower bound and less than its upper one. */
  readonly counts: readonly number[];
  readonly beyond: number;
}

const BINS_PER_UNIT = 100;
const BINS = 120;

/** In bins of 0.01 up to 1.2. */
export function countInBins(distances: Float64Array): Histogram {
  const counts = Array.from({ length: BINS }, () => 0);
  let beyond = 0;
  for (const distance of distances) {
    const bin = Math.floor(distance * BINS_PER_UNIT);
    if (bin < BINS) counts[bin] = (counts[bin] ?? 0) + 1;
    else beyond += 1;
  }
  return { binWidth: 1 / BINS_PER_UNIT, counts, beyond };
}
