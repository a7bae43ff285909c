import type { Person } from './answers.ts';
import { ask } from './api.ts';
import { formatColumns, print } from './print.ts';

interface Calibration {
  readonly threshold: { readonly value: number | null; readonly setBy: string };
  readonly people: { readonly total: number };
  readonly references: { readonly total: number; readonly used: number };
  readonly nearest: Distances;
}

interface Distances {
  readonly genuine: Histogram;
  readonly impostor: Histogram;
  readonly rates: readonly { threshold: number; falseAcceptRate: number | null; falseRejectRate: number | null }[];
  readonly suggestion: { readonly threshold: number | null; readonly message: string };
}

interface Histogram {
  readonly binWidth: number;
  readonly counts: readonly number[];
}

interface Preview {
  readonly current: number;
  readonly total: { images: number; gained: number; lost: number; renamed: number; complete: boolean };
  readonly images: readonly { id: number; path: string; before: Answer; after: Answer }[];
}

interface Answer {
  readonly status: string;
  readonly person: Person | null;
}

export interface CalibrateOptions {
  far: number;
  preview?: number;
  set?: number;
  json?: boolean;
}

/** `faceflow calibrate`: what the gallery says about thresholds; what another one would change; setting it. */
export async function calibrate({ far, preview, set, json }: CalibrateOptions): Promise<number> {
  if (set !== undefined) {
    const answer = await ask('PUT', '/v1/calibration', { threshold: set });
    print(json, answer, `The threshold is ${set} now. Photos that are stored follow within seconds (faceflow status).`);
  } else if (preview !== undefined) {
    const found = await ask<Preview>('GET', `/v1/calibration/preview?threshold=${preview}&limit=200`);
    print(json, found, describePreview(found, preview));
  } else {
    const found = await ask<Calibration>('GET', `/v1/calibration?falseAcceptRate=${far}`);
    print(json, found, describeCalibration(found));
  }
  return 0;
}

const SHOWN_THRESHOLDS = [0.4, 0.45, 0.5, 0.525, 0.55, 0.575, 0.6, 0.65];
const percent = (rate: number | null) => (rate === null ? '?' : `${(rate * 100).toFixed(2)} %`);

function describeCalibration({ threshold, people, references, nearest }: Calibration): string {
  const rows = SHOWN_THRESHOLDS.flatMap((wanted) => {
    const rate = nearest.rates.find((one) => Math.abs(one.threshold - wanted) < 1e-9);
    return rate ? [[wanted.toFixed(3), percent(rate.falseAcceptRate), percent(rate.falseRejectRate)]] : [];
  });
  return [
    `${references.total} references of ${people.total} people (compared: ${references.used})`,
    `threshold: ${threshold.value ?? 'unknown'} (set by ${threshold.setBy === 'user' ? 'somebody' : 'the configuration'})`,
    `distances, to the nearest other face of the person (█) and to the nearest stranger (░)\n${plot(nearest)}`,
    ...(rows.length > 0 ? [formatColumns(['threshold', 'strangers named', 'known people missed'], rows)] : []),
    `suggested: ${nearest.suggestion.threshold ?? 'none'}. ${nearest.suggestion.message}`,
  ].join('\n\n');
}

const BAR = 30;
const BINS_PER_LINE = 5;
const SHOWN_UP_TO = 1;

/** Two bars for every 0.05 of distance, each as its share of all. */
function plot({ genuine, impostor }: Distances): string {
  const lines: string[] = [];
  for (let bin = 0; bin * genuine.binWidth < SHOWN_UP_TO; bin += BINS_PER_LINE) {
    const [same, other] = [genuine, impostor].map((histogram) => {
      const share = sum(histogram.counts.slice(bin, bin + BINS_PER_LINE)) / Math.max(1, sum(histogram.counts));
      return share === 0 ? 0 : Math.max(1, Math.round(share * BAR * 2));
    });
    const from = (bin * genuine.binWidth).toFixed(2);
    lines.push(`  ${from}  ${'█'.repeat(same ?? 0)}${'░'.repeat(other ?? 0)}`.trimEnd());
  }
  return lines.join('\n');
}

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

function describePreview({ current, total, images }: Preview, threshold: number): string {
  const rows = images.map(({ id, path, before, after }) => [String(id), path, nameOf(before), nameOf(after)]);
  const more = total.images - images.length;
  return [
    `At ${threshold} instead of ${current}, ${total.images} photos change: ${total.gained} faces get a name, ` +
      `${total.lost} lose theirs, ${total.renamed} get another one.${total.complete ? '' : ' (Older photos were not looked at.)'}`,
    ...(rows.length > 0 ? [formatColumns(['id', 'photo', 'now', 'then'], rows)] : []),
    ...(more > 0 ? [`and ${more} more`] : []),
    `Nothing is set. To set it: faceflow calibrate --set ${threshold}`,
  ].join('\n\n');
}

const nameOf = ({ status, person }: Answer) => person?.name ?? status;
