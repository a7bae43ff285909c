import type { Evaluation } from './evaluation.ts';

/** One measured number. `better` is left out where neither is. */
export interface Figure {
  readonly value: number | null;
  readonly unit: string;
  readonly better?: 'higher' | 'lower';
}

/** What `--json` prints, without the machine. Shares are 0..1; null is what the set is too small to say. */
export function toFigures({ tree, accuracy, protocol }: Evaluation): Record<string, Figure> {
  const { identification, atThreshold, equalError, suggestion, comparison } = accuracy;
  const [at1, at01, at001] = accuracy.atFars;
  const count = (kind: string) => tree.photos.filter((photo) => photo.kind === kind).length;
  return {
    rank_1: higher(identification.rank1),
    equal_error_rate: lower(equalError.rate),
    equal_error_threshold: neutral(equalError.threshold),
    frr_at_far_1_percent: lower(at1?.at?.frr ?? null),
    frr_at_far_0_1_percent: lower(at01?.at?.frr ?? null),
    frr_at_far_0_01_percent: lower(at001?.at?.frr ?? null),
    threshold: neutral(atThreshold.threshold),
    far: lower(atThreshold.far),
    frr: lower(atThreshold.frr),
    named_right: higher(atThreshold.namedRight),
    named_wrong: lower(atThreshold.namedWrong),
    strangers_named: lower(atThreshold.strangersNamed),
    suggested_threshold: neutral(suggestion?.at.threshold ?? null),
    suggested_threshold_far: neutral(suggestion?.far ?? null),
    ...(protocol && {
      lfw_accuracy: higher(protocol.mean),
      lfw_standard_error: lower(protocol.standardError),
      lfw_pairs_without_face: lower(protocol.pairsWithoutFace, 'pairs'),
    }),
    people: neutral(new Set(tree.photos.map(({ person }) => person)).size, 'people'),
    photos: neutral(tree.photos.length, 'photos'),
    photos_without_face: lower(count('no_face'), 'photos'),
    photos_unreadable: lower(count('unreadable'), 'photos'),
    genuine_pairs: neutral(comparison.genuine.pairs, 'pairs'),
    impostor_pairs: neutral(comparison.impostor.pairs, 'pairs'),
    impostor_pairs_used: neutral(comparison.impostor.distances.length, 'pairs'),
    photos_per_second: higher(tree.photosPerSecond, 'photos/s'),
  };
}

const higher = (value: number | null, unit = ''): Figure => ({ value, unit, better: 'higher' });
const lower = (value: number | null, unit = ''): Figure => ({ value, unit, better: 'lower' });
const neutral = (value: number | null, unit = ''): Figure => ({ value, unit });
