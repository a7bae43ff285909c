import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import type { Person } from '../api.ts';
import { type ChangedFace, fetchPreview, type ThresholdPreview as Preview } from '../api-system.ts';
import { describeError } from '../describe-error.ts';
import { FaceCrop } from '../face-crop.tsx';
import { formatDistance } from '../format.ts';
import { t } from '../texts.ts';

/** While the slider moves nothing is asked, ms. */
const restMs = 400;

function useRested(value: number): number {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), restMs);
    return () => clearTimeout(timer);
  }, [value]);
  return rested;
}

/** Whose names a threshold would change, with examples; nothing is set. */
export function ThresholdPreview({ threshold, current }: { threshold: number; current: number | null }) {
  const rested = useRested(threshold);
  const isSame = current !== null && Math.abs(current - rested) < 1e-6;
  const { data, error, isFetching } = useQuery({
    queryKey: ['calibration', 'preview', rested],
    queryFn: ({ signal }) => fetchPreview(rested, signal),
    enabled: !isSame,
    staleTime: 60_000,
    refetchInterval: ({ state }) => (state.error ? 3_000 : false),
    placeholderData: (shown) => shown,
  });
  return (
    <section className="section" aria-labelledby="preview">
      <h2 id="preview">{t('threshold.preview')}</h2>
      <div role="status">
        {isSame && <p className="intro">{t('threshold.same')}</p>}
        {!isSame && error && <p className="intro">{describeError(error)}</p>}
        {!isSame && !error && <p className="intro">{describeChanges(data, isFetching || rested !== threshold)}</p>}
      </div>
      {!isSame && !error && data && <Changes preview={data} />}
    </section>
  );
}

function describeChanges(preview: Preview | undefined, isLooking: boolean): string {
  if (isLooking || !preview) return t('threshold.looking');
  const { images, gained, lost, renamed, complete } = preview.total;
  if (images === 0) return t('threshold.nothing');
  const parts = [
    gained > 0 && t('threshold.gained', { count: gained }),
    lost > 0 && t('threshold.lost', { count: lost }),
    renamed > 0 && t('threshold.renamed', { count: renamed }),
    !complete && t('threshold.incomplete'),
  ];
  return [t('threshold.changes', { count: images }), ...parts].filter(Boolean).join(' ');
}

function Changes({ preview }: { preview: Preview }) {
  const faces = preview.images.flatMap((image) => image.faces.map((face) => ({ image, face })));
  return (
    <ul className="changes">
      {faces.map(({ image, face }) => (
        <li key={face.id} data-kind={kindOf(face)}>
          <FaceCrop id={face.id} width={128} alt="" />
          <div className="line-text">
            <strong>
              {nameOf(face.before)} <span aria-hidden="true">→</span>
              <span className="visually-hidden">{t('threshold.becomes')}</span> {nameOf(face.after)}
            </strong>
            <small>
              <Link to="/images/$id" params={{ id: String(image.id) }}>
                {image.path}
              </Link>
              {face.distance !== null && ` · ${t('face.distance')} ${formatDistance(face.distance)}`}
            </small>
          </div>
        </li>
      ))}
    </ul>
  );
}

function kindOf({ before, after }: ChangedFace): 'gained' | 'lost' | 'renamed' {
  if (before === null) return 'gained';
  return after === null ? 'lost' : 'renamed';
}

function nameOf(person: Person | null): string {
  return person?.name ?? t('status.unknown');
}
