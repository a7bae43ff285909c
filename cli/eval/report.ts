import { quantile } from '../../lib/error-rates.ts';
import type { SeenPhoto } from './describe-tree.ts';
import type { Evaluation } from './evaluation.ts';
import type { Accuracy, RateAtFar, RatesAtThreshold } from './measure.ts';

/** Everything that was measured, as text for people. `listAtMost` bounds each list of photos. */
export function formatReport(evaluation: Evaluation, listAtMost: number): string {
  const { tree, accuracy, protocol, threshold } = evaluation;
  const { identification, atThreshold, equalError } = accuracy;
  const lines = [
    describeSet(evaluation),
    ...listPhotos('Without a face', tree.photos.filter(isKind('no_face')), listAtMost),
    ...listPhotos('Unreadable', tree.photos.filter(isKind('unreadable')), listAtMost),
    ...listPhotos('Left out as copies of a file in the same folder', accuracy.copies.map(toNamed), listAtMost),
    '',
    `Rank-1 (is the nearest other photo of the same person?): ${percent(identification.rank1)}, ${identification.right} of ${identification.probes}`,
    `At the threshold ${threshold}: ${percent(atThreshold.namedRight)} named right, ${percent(atThreshold.namedWrong)} wrong, ${percent(atThreshold.unknown)} unknown;` +
      ` ${percent(atThreshold.strangersNamed)} would get somebody else's name if they were not enrolled`,
    '',
    ...describePairs(accuracy),
    '',
    ...formatTable(accuracy.table, threshold),
    '',
    `Equal error rate: ${percent(equalError.rate)} at ${equalError.threshold.toFixed(3)}`,
    ...accuracy.atFars.map((rate) => describeFar(rate, accuracy.comparison.impostor.distances.length)),
    describeSuggestion(evaluation),
  ];
  if (protocol) {
    lines.push(
      '',
      `LFW protocol, ${protocol.accuracies.length} folds, ${protocol.pairs} pairs: accuracy ${percent(protocol.mean)} ± ${percent(protocol.standardError)}` +
        ` (standard error), thresholds ${Math.min(...protocol.thresholds).toFixed(3)} to ${Math.max(...protocol.thresholds).toFixed(3)}`,
    );
    if (protocol.pairsWithoutFace > 0)
      lines.push(
        `  ${protocol.pairsWithoutFace} of these pairs have a photo without a face; they count as "two people"`,
      );
  }
  return lines.join('\n');
}

function describeSet({ tree }: Evaluation): string {
  const people = new Set(tree.photos.map(({ person }) => person)).size;
  const withFace = tree.photos.filter(({ kind }) => kind === 'face').length;
  return (
    `${tree.photos.length} photos of ${people} people, ${withFace} with a face ` +
    `(${tree.model} on ${tree.backend}, ${tree.photosPerSecond.toFixed(1)} photos a second)`
  );
}

function isKind<Kind extends SeenPhoto['kind']>(kind: Kind) {
  return (photo: SeenPhoto): photo is SeenPhoto & { kind: Kind } => photo.kind === kind;
}

const toNamed = (imageName: string) => ({ imageName });

function listPhotos(
  title: string,
  photos: readonly { readonly imageName: string; readonly reason?: string }[],
  atMost: number,
): string[] {
  if (photos.length === 0) return [];
  const shown = photos
    .slice(0, atMost)
    .map(({ imageName, reason }) => `  ${imageName}${reason === undefined ? '' : `: ${reason}`}`);
  const rest = photos.length - shown.length;
  return [`${title}: ${photos.length}`, ...shown, ...(rest > 0 ? [`  … and ${rest} more`] : [])];
}

function describePairs({ comparison }: Accuracy): string[] {
  return (['genuine', 'impostor'] as const).map((kind) => {
    const { distances, pairs } = comparison[kind];
    const [low, middle, high] = [0.05, 0.5, 0.95].map((share) => quantile(distances, share).toFixed(3));
    const sampled = distances.length < pairs ? ` (a random sample of ${distances.length}, always the same)` : '';
    return `${kind.padEnd(8)} pairs: ${pairs}${sampled}, distance ${middle} in the median, 90 % from ${low} to ${high}`;
  });
}

function formatTable(rows: readonly RatesAtThreshold[], current: number): string[] {
  const cells = rows.map((row) => [
    String(row.threshold.toFixed(2)) === String(row.threshold) ||
    row.threshold * 100 === Math.round(row.threshold * 100)
      ? row.threshold.toFixed(2)
      : String(row.threshold),
    ...[row.far, row.frr, row.namedRight, row.namedWrong, row.strangersNamed].map(percent),
    row.threshold === current ? '◀' : '',
  ]);
  const header = ['threshold', 'FAR', 'FRR', 'named right', 'named wrong', 'strangers named', ''];
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)));
  return [header, widths.map((width) => '─'.repeat(width)), ...cells].map((row) =>
    `  ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}

function describeFar({ far, at, pairsNeeded }: RateAtFar, pairs: number): string {
  if (at === null)
    return `FRR at FAR ${plainPercent(far)}: not to be said with ${pairs} impostor pairs, it takes ${pairsNeeded}`;
  return `FRR at FAR ${plainPercent(far)}: ${percent(at.frr)} (threshold ${at.threshold.toFixed(3)})`;
}

function describeSuggestion({ accuracy: { suggestion, comparison }, far }: Evaluation): string {
  if (suggestion === null)
    return `No threshold is suggested: ${comparison.impostor.distances.length} impostor pairs say nothing about a FAR of 1 % or less.`;
  const { at } = suggestion;
  const reservation =
    suggestion.far > far ? `, the smallest that this set can show; for ${plainPercent(far)} it takes more photos` : '';
  return (
    `Suggested threshold for FAR ${plainPercent(suggestion.far)}${reservation}: ${at.threshold.toFixed(3)} ` +
    `(FRR ${percent(at.frr)}, ${percent(at.strangersNamed)} of strangers named)`
  );
}

/** 0.0123 → `1.23 %`; more digits where the number is small. */
export function percent(share: number): string {
  const value = share * 100;
  return `${value.toFixed(value > 0 && value < 0.1 ? 3 : 2)} %`;
}

/** 0.001 → `0.1 %`, 0.00428571 → `0.429 %` */
function plainPercent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
