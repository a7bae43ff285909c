import 'uplot/dist/uPlot.min.css';
import { useEffect, useRef } from 'react';
import UPlot, { type AlignedData, type Options } from 'uplot';
import type { Histogram } from '../api-system.ts';
import { t } from '../texts.ts';
import { useMedia, useWidth } from '../use-width.ts';

/** Distances up to here are drawn; strangers are rarely farther. */
export const farthest = 1;
const height = 240;
/** Left and right of the plot, CSS pixels; styles/system.css knows it too. */
const edge = 12;
/** Bins of 0.01 are many for few faces: so many are drawn as one. */
const binsInOne = 2;

interface Props {
  readonly genuine: Histogram;
  readonly impostor: Histogram;
  readonly threshold: number;
  /** That is set; null: not known. */
  readonly current: number | null;
  readonly summary: string;
  readonly choose: (threshold: number) => void;
}

/** How far faces of one person, and of strangers, lie apart, and where the threshold cuts. */
export function DistancePlot({ genuine, impostor, threshold, current, summary, choose }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const width = useWidth(place);
  const isDark = useMedia('(prefers-color-scheme: dark)');
  const marks = useRef({ threshold, current, choose });
  marks.current = { threshold, current, choose };

  // Drawn anew in another theme: a canvas knows nothing of the page's colours.
  useEffect(() => {
    const element = place.current;
    if (!element || width === 0) return;
    const own = new UPlot(plotOptions(width, marks), toData(genuine, impostor), element);
    const chooseThere = ({ clientX }: MouseEvent) => {
      marks.current.choose(own.posToVal(clientX - own.over.getBoundingClientRect().left, 'x'));
    };
    own.over.addEventListener('click', chooseThere);
    plot.current = own;
    return () => {
      own.destroy();
      plot.current = null;
    };
  }, [width, isDark, genuine, impostor]);
  useEffect(() => plot.current?.redraw(false), [threshold, current]);

  return (
    <>
      <ul className="chart-legend">
        <li>
          <span className="chart-key" style={{ background: 'var(--matched)' }} aria-hidden="true" />
          {t('threshold.genuine')}
        </li>
        <li>
          <span className="chart-key" style={{ background: 'var(--unknown)' }} aria-hidden="true" />
          {t('threshold.impostor')}
        </li>
      </ul>
      <div ref={place} className="chart-plot distance-plot" role="img" aria-label={summary} />
    </>
  );
}

/** Each as its share of all, so that thousands of strangers do not hide some dozens of pairs. */
function toData(genuine: Histogram, impostor: Histogram): AlignedData {
  const bins = Math.round(farthest / genuine.binWidth / binsInOne);
  const starts = Array.from({ length: bins + 1 }, (_, bin) => bin * binsInOne * genuine.binWidth);
  const shares = ({ counts }: Histogram) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    return starts.map((_, bin) => {
      const own = counts.slice(bin * binsInOne, (bin + 1) * binsInOne).reduce((sum, count) => sum + count, 0);
      return total === 0 ? 0 : own / total;
    });
  };
  return [starts, shares(genuine), shares(impostor)];
}

type Marks = { readonly current: { threshold: number; current: number | null } };

function plotOptions(width: number, marks: Marks): Options {
  const theme = getComputedStyle(document.documentElement);
  const colour = (name: string) => theme.getPropertyValue(name).trim();
  const { stepped } = UPlot.paths;
  const area = (name: string) => ({
    stroke: colour(name),
    // The theme's colours are #rrggbb.
    fill: `${colour(name)}33`,
    width: 2,
    points: { show: false },
    ...(stepped ? { paths: stepped({ align: 1 }) } : {}),
  });
  return {
    width,
    height,
    padding: [12, edge, 0, edge],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: false, range: [0, farthest] },
      y: { range: (_plot, _least, most) => [0, Math.max(0.01, most * 1.08)] },
    },
    axes: [
      {
        stroke: colour('--text-soft'),
        font: `12px ${theme.fontFamily}`,
        grid: { stroke: colour('--line'), width: 1 },
        ticks: { show: false },
        size: 28,
        values: (_plot, splits) => splits.map((distance) => distance.toFixed(1)),
      },
      { show: false },
    ],
    series: [{}, area('--matched'), area('--unknown')],
    hooks: {
      draw: [
        (plot) => {
          const { threshold, current } = marks.current;
          if (current !== null && current !== threshold) drawMark(plot, current, colour('--text-soft'), [4, 4]);
          drawMark(plot, threshold, colour('--text'), []);
        },
      ],
    },
  };
}

function drawMark({ ctx, bbox, valToPos }: UPlot, distance: number, colour: string, dash: number[]): void {
  const x = Math.round(valToPos(distance, 'x', true));
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
