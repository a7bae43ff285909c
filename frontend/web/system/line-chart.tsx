import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef, useState } from 'react';
import UPlot, { type AlignedData, type Options, type Series } from 'uplot';
import { formatTimeOfDay } from '../format.ts';
import { t } from '../texts.ts';
import { useMedia, useWidth } from '../use-width.ts';

export interface Line {
  readonly label: string;
  /** Of a custom property of the page's theme. */
  readonly colour: `--${string}`;
  readonly filled?: boolean;
  readonly dashed?: boolean;
  /** Of each time; null: not known. */
  readonly values: readonly (number | null)[];
}

interface Props {
  readonly title: string;
  /** What the lines say, for those who do not see them. */
  readonly summary: string;
  /** Seconds since 1970, ascending. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

const height = 176;
/** Between two marks of the axis: 1, 2, 5, 10, 20, 50… */
const steps = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

/** Lines over time. Charts that stand side by side point to the same moment. */
export function LineChart({ title, summary, times, lines, format }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const width = useWidth(place);
  const isDark = useMedia('(prefers-color-scheme: dark)');
  const [pointed, setPointed] = useState<number | null>(null);
  const data: AlignedData = [[...times], ...lines.map(({ values }) => [...values])];
  const latest = useRef(data);
  latest.current = data;

  // Drawn anew in another theme: a canvas knows nothing of the page's colours. Lines differ in their values only.
  useEffect(() => {
    const element = place.current;
    if (!element || width === 0) return;
    const options = chartOptions(width, lines, format, setPointed);
    const own = new UPlot(options, latest.current, element);
    plot.current = own;
    return () => {
      own.destroy();
      plot.current = null;
    };
  }, [width, isDark]);
  useEffect(() => {
    plot.current?.setData(latest.current);
  });

  const time = times[pointed ?? times.length - 1];
  const readValue = (values: Line['values']) =>
    pointed === null ? values.findLast((value) => value !== null) : values[pointed];
  return (
    <figure className="chart">
      <figcaption>
        <h3>{title}</h3>
        <span className="chart-time">
          {pointed === null || time === undefined ? t('system.now') : formatTimeOfDay(time * 1000)}
        </span>
      </figcaption>
      <ul className="chart-legend">
        {lines.map(({ label, colour, values }) => (
          <li key={label}>
            <span className="chart-key" style={{ background: `var(${colour})` }} aria-hidden="true" />
            {label} <strong>{formatOr(readValue(values) ?? null, format)}</strong>
          </li>
        ))}
      </ul>
      <div ref={place} className="chart-plot" role="img" aria-label={summary} />
    </figure>
  );
}

function formatOr(value: number | null, format: (value: number) => string): string {
  return value === null ? '–' : format(value);
}

function chartOptions(
  width: number,
  lines: readonly Line[],
  format: (value: number) => string,
  point: (index: number | null) => void,
): Options {
  const theme = getComputedStyle(document.documentElement);
  const colour = (name: string) => theme.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--text-soft'),
    font: `12px ${theme.fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'system' }, points: { size: 7 } },
    scales: { x: { time: true }, y: { range: (_plot, _least, most) => [0, niceMost(most)] } },
    axes: [
      {
        ...axis,
        size: 28,
        space: 72,
        values: (_plot, splits) => splits.map((seconds) => formatTimeOfDay(seconds * 1000)),
      },
      { ...axis, size: 52, space: 36, incrs: steps, values: (_plot, splits) => splits.map(format) },
    ],
    series: [{}, ...lines.map((line) => toSeries(line, colour))],
    hooks: {
      setCursor: [({ cursor }) => point(cursor.left != null && cursor.left >= 0 ? (cursor.idx ?? null) : null)],
    },
  };
}

function toSeries({ colour: name, filled, dashed }: Line, colour: (name: string) => string): Series {
  const stroke = colour(name);
  return {
    stroke,
    width: 2,
    points: { show: false },
    // The theme's colours are #rrggbb.
    ...(filled ? { fill: `${stroke}24` } : {}),
    ...(dashed ? { dash: [4, 4] } : {}),
  };
}

/** A little room above the highest point; an empty chart has an axis too. */
function niceMost(most: number | null): number {
  return Math.max(4, (most ?? 0) * 1.1);
}
