/** Where a panel's axes are, in pixels of the document. */
export interface Panel {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Axis {
  readonly label: string;
  /** Of a value, its place on the axis: 0 at the origin, 1 at the end. */
  readonly toRatio: (value: number) => number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
}

export type Point = readonly [x: number, y: number];

/** Blue and orange are told apart with every kind of colour blindness, and in grey by their brightness. */
export const COLOURS = {
  text: '#222222',
  grid: '#e3e3e3',
  axis: '#888888',
  genuine: '#1b6ca8',
  impostor: '#e08214',
  suggested: '#b2182b',
};

/** A panel's frame, grid, ticks and labels, and how to draw in its coordinates. */
export function drawAxes(panel: Panel, axes: { title: string; x: Axis; y: Axis }) {
  const { left, top, width, height } = panel;
  const bottom = top + height;
  const atX = (value: number) => left + clamp(axes.x.toRatio(value)) * width;
  const atY = (value: number) => bottom - clamp(axes.y.toRatio(value)) * height;
  const place = ([x, y]: Point): Point => [atX(x), atY(y)];
  const lines = [
    text(left, top - 18, axes.title, 'font-size="16" font-weight="bold"'),
    ...axes.x.ticks.flatMap(({ at, label }) => [
      segment([atX(at), top], [atX(at), bottom], COLOURS.grid),
      text(atX(at), bottom + 20, label, 'text-anchor="middle"'),
    ]),
    ...axes.y.ticks.flatMap(({ at, label }) => [
      segment([left, atY(at)], [left + width, atY(at)], COLOURS.grid),
      text(left - 8, atY(at) + 5, label, 'text-anchor="end"'),
    ]),
    segment([left, bottom], [left + width, bottom], COLOURS.axis),
    segment([left, top], [left, bottom], COLOURS.axis),
    text(left + width / 2, bottom + 48, axes.x.label, 'text-anchor="middle"'),
    text(
      left - 60,
      top + height / 2,
      axes.y.label,
      'text-anchor="middle"',
      `rotate(-90 ${left - 60} ${top + height / 2})`,
    ),
  ];
  return {
    lines,
    place,

    /** Dashed lines from top to bottom, each with its label in a row of its own. */
    drawVerticals(marks: readonly { x: number; label: string; colour: string }[]): string[] {
      const dashes = marks.map(({ x, colour }) => {
        const at = round(atX(x));
        return `<line x1="${at}" y1="${top}" x2="${at}" y2="${bottom}" stroke="${colour}" stroke-width="1.5" stroke-dasharray="6 4"/>`;
      });
      const labels = marks.map(({ x, label, colour }, row) => {
        const [anchor, offset] = atX(x) > left + width * 0.7 ? ['end', -6] : ['start', 6];
        return text(atX(x) + offset, top + 66 + row * 20, label, `text-anchor="${anchor}" fill="${colour}" ${HALO}`);
      });
      return [...dashes, ...labels];
    },

    drawPoint(point: Point, colour: string): string {
      const [x, y] = place(point);
      return `<circle cx="${round(x)}" cy="${round(y)}" r="6" fill="${colour}" stroke="#ffffff" stroke-width="1.5"/>`;
    },

    /** Rows of a colour and what it stands for: top left, or bottom right where the curve leaves room. */
    drawLegend(rows: readonly { colour: string; label: string }[], corner: 'top' | 'bottom' = 'top'): string[] {
      const x = corner === 'top' ? left + 12 : left + width - 370;
      const y = corner === 'top' ? top + 20 : bottom - 14 - (rows.length - 1) * 22;
      return rows.flatMap(({ colour, label }, row) => [
        `<rect x="${x}" y="${y + row * 22 - 11}" width="14" height="14" fill="${colour}"/>`,
        text(x + 22, y + row * 22 + 1, label, HALO),
      ]);
    },
  };
}

/** Keeps letters readable on whatever lies below. */
const HALO = 'stroke="#ffffff" stroke-width="4" paint-order="stroke" stroke-linejoin="round"';

/** Points in pixels; `filled` closes the line and fills what it encloses. */
export function polyline(points: readonly Point[], colour: string, filled: boolean): string {
  const path = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
  const fill = filled ? `fill="${colour}" fill-opacity="0.35"` : 'fill="none"';
  return `<polyline points="${path}" stroke="${colour}" stroke-width="${filled ? 1.5 : 2.5}" stroke-linejoin="round" ${fill}/>`;
}

export function text(x: number, y: number, content: string, attributes = '', transform?: string): string {
  const turned = transform === undefined ? '' : ` transform="${transform}"`;
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}${turned}>${escapeXml(content)}</text>`;
}

function segment([x1, y1]: Point, [x2, y2]: Point, colour: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}"/>`;
}

/** For text and attribute values; control characters are not allowed in XML at all. */
export function escapeXml(content: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return content.replace(/[\u0000-\u001f]/g, '�').replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const clamp = (ratio: number) => Math.min(1, Math.max(0, ratio));
const round = (pixels: number) => Math.round(pixels * 10) / 10;
