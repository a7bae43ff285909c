/** The parts of Grafana's panels that the dashboard uses; https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/ */
export interface Panel {
  readonly id: number;
  readonly type: 'row' | 'stat' | 'timeseries';
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
  readonly [more: string]: unknown;
}

/** What is written down of a panel; where it stands follows from its row. */
export interface PanelSpec {
  readonly title: string;
  readonly description: string;
  /** Of Grafana: `short`, `s`, `bytes`, `ops`, `percentunit`, … */
  readonly unit: string;
  /** Expressions by what they are called in the legend. */
  readonly series: Readonly<Record<string, string>>;
  readonly type?: 'stat' | 'timeseries';
  readonly stacked?: boolean;
  /** From these values on it is yellow, and red. */
  readonly warnAt?: readonly [number, number];
}

export interface RowSpec {
  readonly title: string;
  readonly height: number;
  readonly panels: readonly PanelSpec[];
}

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const WIDTH = 24;

/** Rows below each other, the panels of each side by side from left to right. */
export function layOut(rows: readonly RowSpec[]): Panel[] {
  const panels: Panel[] = [];
  let y = 0;
  for (const { title, height, panels: specs } of rows) {
    panels.push({ id: panels.length + 1, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: WIDTH, h: 1 } });
    const w = Math.floor(WIDTH / specs.length);
    for (const [n, spec] of specs.entries()) {
      panels.push(toPanel(spec, panels.length + 1, { x: n * w, y: y + 1, w, h: height }));
    }
    y += 1 + height;
  }
  return panels;
}

function toPanel(spec: PanelSpec, id: number, gridPos: Panel['gridPos']): Panel {
  const { title, description, unit, series, type = 'timeseries', stacked = false, warnAt } = spec;
  const [yellow, red] = warnAt ?? [];
  const steps = [
    { color: 'green', value: null },
    ...(yellow === undefined ? [] : [{ color: 'yellow', value: yellow }]),
    ...(red === undefined ? [] : [{ color: 'red', value: red }]),
  ];
  const stacking = { mode: stacked ? 'normal' : 'none' };
  return {
    ...{ id, type, title, description, gridPos, datasource: DATASOURCE },
    fieldConfig: {
      defaults: {
        ...{ unit, min: 0, thresholds: { mode: 'absolute', steps } },
        color: { mode: type === 'stat' ? 'thresholds' : 'palette-classic' },
        ...(type === 'timeseries' && { custom: { fillOpacity: stacked ? 40 : 10, showPoints: 'never', stacking } }),
      },
      overrides: [],
    },
    options:
      type === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, graphMode: 'area', colorMode: 'value' }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: Object.entries(series).map(([legendFormat, expr], n) => ({
      refId: String.fromCharCode(65 + n),
      datasource: DATASOURCE,
      ...{ expr, legendFormat },
    })),
  };
}
