import { equalErrorRate, falseAcceptRate, falseRejectRate } from '../../lib/error-rates.ts';
import type { Calibration } from './calibrate.ts';
import type { CalibrationAnswer } from './schemas.ts';
import { countInBins, type Suggestion, suggestThreshold } from './suggest-threshold.ts';

type Distances = Calibration['pairs'];

/** Thresholds, in hundredths, at which the rates are told. */
const RATES_AT = Array.from({ length: 71 }, (_, index) => index / 100);

/** @param wanted the false accept rate to suggest a threshold for, 0..1 */
export function presentCalibration(
  calibration: Calibration,
  threshold: CalibrationAnswer['threshold'],
  wanted: number,
): CalibrationAnswer {
  const { model, galleryRevision, people, references, confirmedFaces, copies, pairs, pairCounts } = calibration;
  const counted = { people, references, confirmedFaces, copies };
  return {
    ...{ model, galleryRevision, threshold, falseAcceptRate: wanted, ...counted },
    nearest: presentDistances(calibration, wanted, calibration),
    pairs: {
      ...presentDistances(pairs, wanted, calibration),
      genuineTotal: pairCounts.genuine,
      impostorTotal: pairCounts.impostor,
    },
  };
}

function presentDistances(distances: Distances, wanted: number, calibration: Calibration) {
  const { genuine, impostor } = distances;
  const suggestion = suggestThreshold(distances, wanted);
  const both = genuine.length > 0 && impostor.length > 0;
  return {
    genuine: countInBins(genuine),
    impostor: countInBins(impostor),
    genuineCount: genuine.length,
    impostorCount: impostor.length,
    rates: RATES_AT.map((threshold) => ({
      threshold,
      falseAcceptRate: impostor.length === 0 ? null : falseAcceptRate(impostor, threshold),
      falseRejectRate: genuine.length === 0 ? null : falseRejectRate(genuine, threshold),
    })),
    equalErrorRate: both ? equalErrorRate({ genuine, impostor }) : null,
    suggestion: { ...suggestion, message: explain(suggestion, wanted, calibration) },
  };
}

function explain(suggestion: Suggestion, wanted: number, { people }: Calibration): string {
  const { threshold, sure, trials, needed, falseAcceptRateAtMost, falseRejectRate } = suggestion;
  if (threshold === null) return 'There are no strangers to compare with: enrol a second person.';
  const known =
    falseRejectRate === null
      ? 'How many known faces would be missed cannot be said: nobody has a second reference.'
      : `${percent(falseRejectRate)} of the known faces would be missed.`;
  if (sure) return `At ${threshold} at most ${percent(wanted)} of strangers get a name (95 % confidence). ${known}`;
  const reason =
    trials < needed
      ? `Too few: ${trials} comparisons with strangers (${people.used} people, ${people.withSeveralReferences} with two ` +
        `references or more), ${needed} are needed for ${percent(wanted)}.`
      : `Strangers are too near for ${percent(wanted)}.`;
  return `${reason} All that can be said of ${threshold}: at most ${percent(falseAcceptRateAtMost ?? 1)} of strangers get a name. ${known}`;
}

function percent(rate: number): string {
  return `${Number((rate * 100).toPrecision(2))} %`;
}
