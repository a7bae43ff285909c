import '../styles/detail.css';
import '../styles/system.css';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type CSSProperties, useState } from 'react';
import { type Calibration, fetchCalibration } from '../api-system.ts';
import { FaceMark } from '../face-mark.tsx';
import { NotLoaded } from '../not-loaded.tsx';
import { ApiError } from '../request.ts';
import { t } from '../texts.ts';
import { DistancePlot, farthest } from './distance-plot.tsx';
import { ratesAt } from './error-rates.ts';
import { SetThreshold } from './set-threshold.tsx';
import { ThresholdPreview } from './threshold-preview.tsx';

/** The API takes no larger one. */
const largest = 0.7;
const step = 0.005;
/** Where nobody has set one and the recognizer cannot be asked. */
const usual = 0.55;

/** Which threshold suits the gallery: how far faces lie apart, and what another threshold would change. */
export function ThresholdPage() {
  const { data, error } = useQuery({
    queryKey: ['calibration'],
    queryFn: ({ signal }) => fetchCalibration(signal),
    // Measuring takes some seconds of a large gallery; it changes when somebody is enrolled.
    staleTime: 30_000,
    refetchOnWindowFocus: true,
    refetchInterval: ({ state }) => (state.error ? 3_000 : false),
  });
  const isEmpty = !data && error instanceof ApiError && error.code === 'gallery_empty';
  return (
    <article>
      <div className="detail-head">
        <Link className="back-link" to="/system">
          <span aria-hidden="true">←</span> {t('nav.system')}
        </Link>
      </div>
      <div className="page-title">
        <h1>{t('threshold.title')}</h1>
      </div>
      {data && <Chooser calibration={data} />}
      {isEmpty && <EmptyGallery />}
      {!data && !isEmpty && <NotLoaded error={error} />}
    </article>
  );
}

function EmptyGallery() {
  return (
    <section className="empty">
      <FaceMark />
      <h2>{t('people.emptyTitle')}</h2>
      <p>{t('threshold.emptyText')}</p>
      <Link className="button" data-kind="primary" to="/people">
        {t('nav.people')}
      </Link>
    </section>
  );
}

/** To a step of the slider, towards fewer strangers. */
function toStep(threshold: number): number {
  const steps = Math.floor(threshold / step + 1e-6);
  return Math.round(Math.min(largest, Math.max(0, steps * step)) * 1000) / 1000;
}

function Chooser({ calibration }: { calibration: Calibration }) {
  const { threshold: set, nearest } = calibration;
  const [chosen, setChosen] = useState<number | null>(null);
  const threshold = chosen ?? set.value ?? usual;
  const { falseAcceptRate, falseRejectRate } = ratesAt(nearest.rates, threshold);
  const summary = t('threshold.plotSummary', {
    threshold: threshold.toFixed(3),
    accept: formatRate(falseAcceptRate),
    reject: formatRate(falseRejectRate),
  });
  return (
    <>
      <p className="intro">{t('threshold.intro')}</p>
      <div className="threshold">
        <div className="threshold-plot">
          <DistancePlot
            genuine={nearest.genuine}
            impostor={nearest.impostor}
            threshold={threshold}
            current={set.value}
            summary={summary}
            choose={(distance) => setChosen(toStep(distance + step / 2))}
          />
          <input
            type="range"
            className="threshold-slider"
            style={{ '--reach': largest / farthest } as CSSProperties}
            min={0}
            max={largest}
            step={step}
            value={threshold}
            aria-label={t('threshold.slider')}
            aria-valuetext={summary}
            onChange={(event) => setChosen(toStep(event.target.valueAsNumber))}
          />
        </div>
        <div className="threshold-facts">
          <output className="threshold-value">{threshold.toFixed(3)}</output>
          <dl className="figures" data-size="small">
            <div>
              <dt>{t('threshold.falseAccept')}</dt>
              <dd>
                <strong>{formatRate(falseAcceptRate)}</strong>
                <small>{t('threshold.comparisons', { count: nearest.impostorCount })}</small>
              </dd>
            </div>
            <div>
              <dt>{t('threshold.falseReject')}</dt>
              <dd>
                <strong>{formatRate(falseRejectRate)}</strong>
                <small>{t('threshold.comparisons', { count: nearest.genuineCount })}</small>
              </dd>
            </div>
          </dl>
          <Suggestion calibration={calibration} choose={(value) => setChosen(toStep(value))} />
          <SetThreshold set={set} threshold={threshold} onSet={() => setChosen(null)} />
        </div>
      </div>
      <ThresholdPreview threshold={threshold} current={set.value} />
    </>
  );
}

function Suggestion({ calibration, choose }: { calibration: Calibration; choose: (threshold: number) => void }) {
  const { suggestion } = calibration.nearest;
  const { threshold, sure, trials, needed, falseAcceptRateAtMost } = suggestion;
  if (threshold === null) return <p>{t('threshold.noSuggestion')}</p>;
  const wanted = formatRate(calibration.falseAcceptRate);
  return (
    <div className="suggestion-line">
      <p>
        {sure
          ? t('threshold.sure', { threshold, rate: wanted })
          : t('threshold.unsure', { threshold, count: trials, rate: formatRate(falseAcceptRateAtMost) })}{' '}
        {!sure && trials < needed && t('threshold.needed', { count: needed, rate: wanted })}
      </p>
      <button type="button" className="button" onClick={() => choose(threshold)}>
        {t('threshold.useSuggestion')}
      </button>
    </div>
  );
}

/** @param rate 0..1 */
function formatRate(rate: number | null): string {
  return rate === null ? t('threshold.unknown') : `${Number((rate * 100).toPrecision(2))} %`;
}
