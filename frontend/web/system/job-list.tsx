import type { Job, Replica } from '../api-system.ts';
import { formatRelativeTime } from '../format.ts';
import { t } from '../texts.ts';
import { useNow } from '../use-now.ts';

const known = [
  ...(['sweep', 'retry', 'tidy', 'history', 'wake', 'webhooks', 'rematch', 'clusters', 'retention'] as const),
  ...(['answers', 'models'] as const),
];

/** The background jobs: what each is for, how far it is, and which process runs it. */
export function JobList({ jobs, replicas }: { jobs: readonly Job[]; replicas: readonly Replica[] }) {
  const now = useNow();
  if (jobs.length === 0) return null;
  return (
    <section className="section" aria-labelledby="jobs">
      <h2 id="jobs">{t('system.jobs')}</h2>
      <p className="intro">{t('system.jobsText')}</p>
      <ul className="lines">
        {jobs.map((job) => {
          const leader = replicas.find(({ leads }) => leads.includes(job.name));
          return (
            <li key={job.name}>
              <div className="line-text">
                <strong>{describeJob(job.name)}</strong>
                <small>{leader ? t('system.ledBy', { name: leader.name }) : t('system.ledByNobody')}</small>
              </div>
              <JobProgress job={job} now={now} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function describeJob(name: string): string {
  const job = known.find((one) => one === name);
  return job === undefined ? name : t(`system.job.${job}`);
}

function JobProgress({ job: { name, done, total, startedAt, finishedAt }, now }: { job: Job; now: number }) {
  if (startedAt !== null && finishedAt === null && total > 0) {
    return (
      <div className="job-progress">
        <progress value={done} max={total} aria-label={describeJob(name)} />
        <small>{t('upload.progress', { done, total })}</small>
      </div>
    );
  }
  if (finishedAt === null) return <small className="line-side">{t('system.jobIdle')}</small>;
  return (
    <small className="line-side">
      {t('system.jobDone', { time: formatRelativeTime(Date.parse(finishedAt), now) })}
    </small>
  );
}
