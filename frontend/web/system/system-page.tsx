import '../styles/system.css';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { fetchHistory, fetchJobs, fetchSystem, type Minute, type System } from '../api-system.ts';
import { formatBytes, formatCount, formatDuration, formatRelativeTime } from '../format.ts';
import { NotLoaded } from '../not-loaded.tsx';
import { exactView } from '../routes.tsx';
import { t } from '../texts.ts';
import { useNow } from '../use-now.ts';
import { useStats } from '../use-stats.ts';
import { Failures } from './failures.tsx';
import { findLatency, sumDone, toHistory } from './history.ts';
import { HistoryCharts } from './history-charts.tsx';
import { JobList } from './job-list.tsx';
import { ReplicaList } from './replica-list.tsx';

const route = getRouteApi('/system');

const ranges = [1, 6, 24] as const;
/** The longer the range, the less the newest minute changes what is seen. */
const everyMs = { 1: 10_000, 6: 30_000, 24: 60_000 } as const;

/** What the system does, how fast, what stands in its way, and what has failed. */
export function SystemPage() {
  const { hours = 1 }: { hours?: (typeof ranges)[number] } = route.useSearch();
  const history = useQuery({
    queryKey: ['history', hours],
    queryFn: ({ signal }) => fetchHistory(hours * 60, signal),
    refetchInterval: everyMs[hours],
    placeholderData: (shown) => shown,
  });
  const system = useQuery({
    queryKey: ['system'],
    queryFn: ({ signal }) => fetchSystem(signal),
    refetchInterval: 5_000,
  });
  const jobs = useQuery({
    queryKey: ['jobs'],
    queryFn: ({ signal }) => fetchJobs(signal),
    refetchInterval: 10_000,
  });
  const { stats } = useStats();
  const minutes = history.data?.minutes;
  return (
    <>
      <div className="page-title">
        <h1>{t('nav.system')}</h1>
        <Link className="button" to="/system/threshold">
          {t('threshold.title')}
        </Link>
      </div>
      <Figures minutes={minutes} system={system.data} backlog={stats?.images.pending} />
      <section className="section" aria-labelledby="history">
        <div className="section-head">
          <h2 id="history">{t('system.history', { count: hours })}</h2>
          <Ranges />
        </div>
        {minutes ? (
          <HistoryCharts history={toHistory(minutes)} minutes={minutes} hours={hours} />
        ) : (
          <NotLoaded error={history.error} />
        )}
      </section>
      {system.data ? (
        <>
          <Failures reasons={system.data.reasons} />
          <ReplicaList replicas={system.data.replicas} answer={system.data} />
          {jobs.data && <JobList jobs={jobs.data.jobs} replicas={system.data.replicas} />}
        </>
      ) : (
        <NotLoaded error={system.error} />
      )}
    </>
  );
}

function Ranges() {
  return (
    <nav className="range-switch" aria-label={t('system.range')}>
      {ranges.map((hours) => (
        <Link
          key={hours}
          to="/system"
          search={hours === 1 ? {} : { hours }}
          activeOptions={exactView}
          replace
          resetScroll={false}
        >
          {t('system.hours', { count: hours })}
        </Link>
      ))}
    </nav>
  );
}

interface FiguresProps {
  readonly minutes: readonly Minute[] | undefined;
  readonly system: System | undefined;
  readonly backlog: number | undefined;
}

/** The state of things in some numbers. They have their places before they are known. */
function Figures({ minutes, system, backlog }: FiguresProps) {
  const latency = minutes && findLatency(minutes);
  const disk = system?.disk;
  const now = useNow();
  const figures = [
    {
      name: t('system.backlog'),
      value: backlog === undefined ? null : formatCount(backlog),
      hint: t('system.backlogHint'),
    },
    {
      name: t('system.hourly'),
      value: minutes ? formatCount(sumDone(minutes, 60)) : null,
      hint: t('system.hourlyHint'),
    },
    {
      name: t('system.latency'),
      value: latency ? formatDuration(latency.p50Ms) : null,
      hint: latency ? describeLatency(latency, now) : t('system.latencyNone'),
    },
    {
      name: t('system.gallery'),
      value: system ? t('system.people', { count: system.gallery.people }) : null,
      hint: system ? t('people.references', { count: system.gallery.references }) : '',
    },
    {
      name: t('system.disk'),
      value: disk ? formatBytes(disk.freeBytes) : null,
      hint: disk ? t('system.diskHint', { total: formatBytes(disk.totalBytes) }) : '',
    },
  ];
  return (
    <dl className="figures">
      {figures.map(({ name, value, hint }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <strong>{value ?? '–'}</strong>
            <small>{hint}</small>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function describeLatency({ at, p95Ms }: { at: number; p95Ms: number }, now: number): string {
  return t('system.latencyHint', { time: formatDuration(p95Ms), moment: formatRelativeTime(at, now) });
}
