import type { Replica, System } from '../api-system.ts';
import { formatCount, formatRelativeTime } from '../format.ts';
import { t } from '../texts.ts';
import { useCountdown } from '../use-countdown.ts';
import { useNow } from '../use-now.ts';

const services = ['receiver', 'processor', 'recognizer'] as const;

/** The processes of each service that have been heard of lately. @param answer what told them */
export function ReplicaList({ replicas, answer }: { replicas: readonly Replica[]; answer: System }) {
  return (
    <section className="section" aria-labelledby="replicas">
      <h2 id="replicas">{t('system.replicas')}</h2>
      <div className="services">
        {services.map((service) => {
          const own = replicas.filter((replica) => replica.service === service);
          return (
            <section key={service} aria-labelledby={`service-${service}`}>
              <h3 id={`service-${service}`}>
                {t(`system.service.${service}`)} <span className="chip-count">{formatCount(own.length)}</span>
              </h3>
              {own.length === 0 && <p className="replica-none">{t('system.noReplica')}</p>}
              <ul className="replicas">
                {own.map((replica) => (
                  <ReplicaLine key={replica.name} replica={replica} answer={answer} />
                ))}
              </ul>
            </section>
          );
        })}
      </div>
    </section>
  );
}

function ReplicaLine({ replica, answer }: { replica: Replica; answer: System }) {
  const { name, startedAt, leads, breaker, gallery, workers } = replica;
  const seconds = useCountdown(breaker?.nextAttemptInSeconds ?? null, answer);
  const since = formatRelativeTime(Date.parse(startedAt), useNow());
  const isOpen = breaker !== null && breaker.state !== 'closed';
  return (
    <li>
      <div className="replica-head">
        <strong>{name}</strong>
        {leads.length > 0 && (
          <span className="tag" data-kind="good">
            {t('system.leads')}
          </span>
        )}
        {isOpen && (
          <span className="tag" data-kind="poor">
            {t(breaker.state === 'open' ? 'system.open' : 'system.halfOpen')}
          </span>
        )}
      </div>
      <small>
        {t('system.startedAt', { time: since })}
        {isOpen && seconds !== null && ` · ${t('paused.next', { count: seconds })}`}
        {workers !== null && ` · ${t('system.workers', { count: workers })}`}
      </small>
      {gallery && <small>{t('system.galleryOf', { count: gallery.faces, model: gallery.model })}</small>}
    </li>
  );
}
