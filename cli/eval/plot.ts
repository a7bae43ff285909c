import { countAtMost } from '../../lib/error-rates.ts';
import type { Evaluation } from './evaluation.ts';
import { COLOURS, drawAxes, escapeXml, type Panel, polyline, text } from './plot-panel.ts';
import { percent } from './report.ts';

const BIN = 0.02;
const WIDTH = 1280;
const HEIGHT = 560;
const LEFT_PANEL: Panel = { left: 80, top: 96, width: 520, height: 380 };
const RIGHT_PANEL: Panel = { left: 720, top: 96, width: 520, height: 380 };

/** The distributions of the distances and the ROC curve, side by side, as an SVG document. */
export function plotEvaluation(evaluation: Evaluation): string {
  const { tree, folder } = evaluation;
  const people = new Set(tree.photos.map(({ person }) => person)).size;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="14" fill="${COLOURS.text}">`,
    `<title>${escapeXml(`Face recognition accuracy on ${folder}`)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(
      40,
      36,
      `${shorten(folder)}: ${tree.photos.length} photos of ${people} people, ${tree.model}`,
      'font-size="18"',
    ),
    ...drawDistributions(evaluation),
    ...drawRoc(evaluation),
    '</svg>\n',
  ].join('\n');
}

function shorten(path: string): string {
  return path.length <= 60 ? path : `…${path.slice(-59)}`;
}

function drawDistributions({ accuracy, threshold }: Evaluation): string[] {
  const { genuine, impostor } = accuracy.comparison;
  const largest = Math.max(genuine.distances.at(-1) ?? 0, impostor.distances.at(-1) ?? 0);
  const maxX = Math.max(1, Math.ceil(largest * 10) / 10);
  const bins = Math.ceil(maxX / BIN - 1e-9);
  const histograms = [genuine, impostor].map(({ distances }) => toShares(distances, bins));
  const step = niceStep(Math.max(...histograms.flat()) / 5);
  const maxY = Math.ceil(Math.max(...histograms.flat()) / step + 0.35) * step;
  const axes = drawAxes(LEFT_PANEL, {
    title: 'Distances of pairs',
    x: {
      label: 'Euclidean distance of the descriptors',
      toRatio: (x) => x / maxX,
      ticks: ticksUpTo(maxX, 0.2).map((at) => ({ at, label: at.toFixed(1) })),
    },
    y: {
      label: `share of pairs in ${BIN} of distance`,
      toRatio: (y) => y / maxY,
      ticks: ticksUpTo(maxY, step).map((at) => ({ at, label: `${Number((at * 100).toFixed(1))} %` })),
    },
  });
  const outline = (shares: readonly number[]): [number, number][] => [
    [0, 0],
    ...shares.flatMap((share, bin): [number, number][] => [
      [bin * BIN, share],
      [(bin + 1) * BIN, share],
    ]),
    [bins * BIN, 0],
  ];
  const { suggestion } = accuracy;
  return [
    ...axes.lines,
    polyline(outline(histograms[1] ?? []).map(axes.place), COLOURS.impostor, true),
    polyline(outline(histograms[0] ?? []).map(axes.place), COLOURS.genuine, true),
    ...axes.drawVerticals([
      { x: threshold, label: `threshold ${threshold}`, colour: COLOURS.text },
      ...(suggestion
        ? [{ x: suggestion.at.threshold, label: `suggested ${suggestion.at.threshold}`, colour: COLOURS.suggested }]
        : []),
    ]),
    ...axes.drawLegend([
      { colour: COLOURS.genuine, label: `one person (${genuine.pairs} pairs)` },
      { colour: COLOURS.impostor, label: `two people (${impostor.pairs} pairs)` },
    ]),
  ];
}

function drawRoc({ accuracy, threshold }: Evaluation): string[] {
  const { genuine, impostor } = accuracy.comparison;
  const points = rocOf(genuine.distances, impostor.distances);
  const decades = Math.max(1, Math.ceil(Math.log10(impostor.distances.length) - 1e-9));
  const lowest = Math.min(1 - accuracy.atThreshold.frr, points[0]?.[1] ?? 0);
  const minY = Math.max(0, Math.min(0.9, Math.floor(lowest * 10 - 1e-9) / 10));
  const step = minY >= 0.8 ? 0.02 : minY >= 0.5 ? 0.1 : 0.2;
  const axes = drawAxes(RIGHT_PANEL, {
    title: 'ROC curve',
    x: {
      label: 'false accept rate (FAR): two people taken for one',
      toRatio: (far) => 1 + Math.log10(Math.max(far, 10 ** -decades)) / decades,
      ticks: Array.from({ length: decades + 1 }, (_, decade) => 10 ** (decade - decades)).map((at) => ({
        at,
        label: `${Number((at * 100).toPrecision(1))} %`,
      })),
    },
    y: {
      label: 'true accept rate (1 − FRR)',
      toRatio: (y) => (y - minY) / (1 - minY),
      ticks: ticksUpTo(1 - minY, step).map((at) => ({ at: minY + at, label: `${Math.round((minY + at) * 100)} %` })),
    },
  });
  const { atThreshold, equalError, suggestion } = accuracy;
  const entries = [
    { rates: atThreshold, colour: COLOURS.text, label: `threshold ${threshold}` },
    ...(suggestion
      ? [{ rates: suggestion.at, colour: COLOURS.suggested, label: `suggested ${suggestion.at.threshold}` }]
      : []),
  ];
  return [
    ...axes.lines,
    polyline(points.map(axes.place), COLOURS.genuine, false),
    ...entries.map(({ rates, colour }) => axes.drawPoint([rates.far, 1 - rates.frr], colour)),
    ...axes.drawLegend(
      [
        ...entries.map(({ rates, colour, label }) => ({
          colour,
          label: `${label}: FAR ${percent(rates.far)}, FRR ${percent(rates.frr)}`,
        })),
        { colour: COLOURS.genuine, label: `equal error rate ${percent(equalError.rate)}` },
      ],
      'bottom',
    ),
  ];
}

/**
 * The corners of the curve that rises in steps: for k wrongly accepted impostor pairs, the largest share of genuine pairs that a threshold
 * can accept. At most some hundreds of values of k, evenly spread over the logarithmic axis.
 */
export function rocOf(genuine: Float64Array, impostor: Float64Array): [far: number, tar: number][] {
  const accepted = (k: number) => {
    const next = impostor[k];
    return next === undefined ? 1 : countBelow(genuine, next) / genuine.length;
  };
  const steps = 600;
  // At no wrong acceptance the curve begins, beyond what a logarithmic axis can show.
  const ks = new Set([
    0,
    ...Array.from({ length: steps + 1 }, (_, step) => Math.round(impostor.length ** (step / steps))),
  ]);
  const points: [number, number][] = [];
  for (const k of ks) {
    const [far, tar] = [k / impostor.length, accepted(k)];
    const before = points.at(-1);
    if (before) points.push([far, before[1]]);
    points.push([far, tar]);
  }
  return points;
}

function countBelow(sorted: Float64Array, limit: number): number {
  let count = countAtMost(sorted, limit);
  while (count > 0 && sorted[count - 1] === limit) count--;
  return count;
}

function toShares(distances: Float64Array, bins: number): number[] {
  const counts = new Array<number>(bins).fill(0);
  for (const distance of distances) {
    const bin = Math.min(bins - 1, Math.floor(distance / BIN));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts.map((count) => count / distances.length);
}

function ticksUpTo(max: number, step: number): number[] {
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, index) => index * step);
}

/** 1, 2 or 5 times a power of ten, at least `rough`. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5, 10].find((factor) => factor * power >= rough - 1e-12) ?? 10) * power;
}
