import type { Minute } from '../api-system.ts';
import { formatCount, formatDuration, formatTimeOfDay } from '../format.ts';
import { t } from '../texts.ts';
import { countDone, type History, highest } from './history.ts';
import { LineChart } from './line-chart.tsx';

interface Props {
  readonly history: History;
  readonly minutes: readonly Minute[];
  readonly hours: number;
}

/** Minutes that the table tells; charts tell more. */
const rows = 60;

const formatWhole = (value: number) => formatCount(Math.round(value));

/** How much waited, how much was done, and how long it took: as charts, and as a table. */
export function HistoryCharts({ history, minutes, hours }: Props) {
  const { times, backlog, done, failed, p50Ms, p95Ms } = history;
  if (times.length === 0) return <p className="intro">{t('system.noHistory')}</p>;
  const describe = (name: string, values: readonly (number | null)[], format: (value: number) => string) => {
    const most = highest(values);
    const now = values.findLast((value) => value !== null);
    return most === null
      ? t('system.chartEmpty', { name, count: hours })
      : t('system.chartSummary', { name, now: format(now ?? 0), most: format(most), count: hours });
  };
  return (
    <>
      <div className="charts">
        <LineChart
          title={t('system.backlog')}
          summary={describe(t('system.backlog'), backlog, formatWhole)}
          times={times}
          lines={[{ label: t('system.waiting'), colour: '--unknown', filled: true, values: backlog }]}
          format={formatWhole}
        />
        <LineChart
          title={t('system.throughput')}
          summary={describe(t('system.throughput'), done, formatWhole)}
          times={times}
          lines={[
            { label: t('system.done'), colour: '--accent', filled: true, values: done },
            { label: t('system.withoutAnswer'), colour: '--failed', dashed: true, values: failed },
          ]}
          format={formatWhole}
        />
        <LineChart
          title={t('system.latency')}
          summary={describe(t('system.latency'), p95Ms, formatDuration)}
          times={times}
          lines={[
            { label: t('system.p50'), colour: '--matched', filled: true, values: p50Ms },
            { label: t('system.p95'), colour: '--accent', values: p95Ms },
          ]}
          format={formatDuration}
        />
      </div>
      <details className="chart-table">
        <summary>{t('system.asTable')}</summary>
        <MinuteTable minutes={minutes.slice(-rows)} />
      </details>
    </>
  );
}

function MinuteTable({ minutes }: { minutes: readonly Minute[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="table-frame" aria-label={t('system.asTable')} tabIndex={0}>
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">{t('system.minute')}</th>
            <th scope="col">{t('system.waiting')}</th>
            <th scope="col">{t('system.done')}</th>
            <th scope="col">{t('system.withoutAnswer')}</th>
            <th scope="col">{t('system.p50')}</th>
            <th scope="col">{t('system.p95')}</th>
          </tr>
        </thead>
        <tbody>
          {minutes.toReversed().map((minute) => (
            <tr key={minute.at}>
              <th scope="row">{formatTimeOfDay(Date.parse(minute.at))}</th>
              <td>{minute.backlog === null ? '–' : formatCount(minute.backlog)}</td>
              <td>{formatCount(countDone(minute))}</td>
              <td>{formatCount(minute.failed + minute.unreadable)}</td>
              <td>{minute.p50Ms === null ? '–' : formatDuration(minute.p50Ms)}</td>
              <td>{minute.p95Ms === null ? '–' : formatDuration(minute.p95Ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
