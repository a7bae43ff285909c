import { findMisleading, QUALITY_REASONS } from '../lib/face-quality.ts';
import { DEFAULT_THRESHOLD, distanceBetween } from '../lib/similarity.ts';
import { createEngine } from '../recognizer/engine/create-engine.ts';
import { thresholdFor } from '../recognizer/quality.ts';
import { collectFaces, degradeFace, ORIGINAL, type Sighting, timeJudging } from './degraded-faces.ts';
import { type Benchmark, type Figures, plain, withGoal } from './figures.ts';

// What the quality of faces is worth: how often good and poor probes are taken for somebody else (FAR) or not recognised
// (FRR) against good references, with one threshold for all and with the one that each face gets. Takes some minutes.

export const benchmark: Benchmark = {
  packages: ['@vladmandic/face-api', 'onnxruntime-node', 'sharp'],

  async measure(say) {
    const engine = await createEngine('onnx');
    const originals = await collectFaces(engine, say);
    const sightings: Sighting[] = [...originals];
    for (const [index, original] of originals.entries()) {
      if (index % 10 === 0) say(`degrading face ${index + 1} of ${originals.length}`);
      sightings.push(...(await degradeFace(engine, original)));
    }
    const references = originals.filter(isGood);
    const good = sightings.filter(isGood);
    const poor = sightings.filter((face) => !isGood(face));
    sayByReason(sightings, references, say);

    const farOfGood = rateOf(good, references, { same: false, strict: false });
    return {
      originals: plain(originals.length, 'faces'),
      good_probes: plain(good.length, 'faces'),
      poor_probes: plain(poor.length, 'faces'),
      far_good: plain(farOfGood, '%'),
      far_poor_one_threshold: plain(rateOf(poor, references, { same: false, strict: false }), '%'),
      far_poor: withGoal(rateOf(poor, references, { same: false, strict: true }), '%', 'lower', farOfGood),
      // What it would be if poor faces were enrolled too.
      far_poor_against_poor: plain(rateOf(poor, poor, { same: false, strict: true }), '%'),
      far_good_against_poor: plain(rateOf(good, poor, { same: false, strict: true }), '%'),
      frr_good: plain(100 - rateOf(good, references, { same: true, strict: true }), '%'),
      frr_poor_one_threshold: plain(100 - rateOf(poor, references, { same: true, strict: false }), '%'),
      frr_poor: plain(100 - rateOf(poor, references, { same: true, strict: true }), '%'),
      judging_ms: plain(await timeJudging(engine), 'ms'),
    } satisfies Figures;
  },
};

const isGood = ({ quality }: Sighting) => findMisleading(quality.reasons).length === 0;

/**
 * The share of pairs that count as one person, %, of probes and references of one person or of two; never two sightings
 * of one face.
 *
 * @param options.strict with the threshold that each probe's quality gives it, instead of the default for all
 */
function rateOf(
  probes: readonly Sighting[],
  references: readonly Sighting[],
  { same, strict }: { same: boolean; strict: boolean },
): number {
  let [pairs, accepted] = [0, 0];
  for (const probe of probes) {
    const threshold = strict ? thresholdFor(DEFAULT_THRESHOLD, probe.quality.reasons) : DEFAULT_THRESHOLD;
    for (const reference of references) {
      if (probe.source === reference.source || (probe.person === reference.person) !== same) continue;
      pairs++;
      if (distanceBetween(probe.descriptor, reference.descriptor) <= threshold) accepted++;
    }
  }
  return pairs === 0 ? Number.NaN : (accepted / pairs) * 100;
}

/** Of faces with just one reason or none, and of each degradation. */
function sayByReason(sightings: readonly Sighting[], references: readonly Sighting[], say: (line: string) => void) {
  for (const reason of [null, ...QUALITY_REASONS]) {
    const probes = sightings.filter(({ quality: { reasons } }) =>
      reason === null ? reasons.length === 0 : reasons.length === 1 && reasons[0] === reason,
    );
    say(`${reason ?? 'no reason'}: ${describeRates(probes, references)}`);
  }
  for (const change of new Set(sightings.map((sighting) => sighting.change))) {
    const probes = sightings.filter((sighting) => sighting.change === change);
    const told = probes.filter((probe) => !isGood(probe)).length;
    if (change !== ORIGINAL) say(`${change}: ${told} told to be poor, of ${describeRates(probes, references)}`);
  }
}

function describeRates(probes: readonly Sighting[], references: readonly Sighting[]): string {
  const far = rateOf(probes, references, { same: false, strict: false }).toFixed(3);
  const frr = (100 - rateOf(probes, references, { same: true, strict: false })).toFixed(1);
  return `${probes.length} faces, FAR ${far} %, FRR ${frr} % at ${DEFAULT_THRESHOLD}`;
}
