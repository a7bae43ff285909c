import { Link } from '@tanstack/react-router';
import { photoUrl } from '../api.ts';
import type { SearchedFace } from '../api-clusters.ts';
import { describeQuality } from '../format.ts';
import { Similarity } from '../similarity.tsx';
import { t } from '../texts.ts';

interface Props {
  readonly face: SearchedFace;
  readonly number: number;
  readonly isPointedAt: boolean;
  readonly point: () => void;
}

/** Whose a face of the searched photo may be, and the stored photos that show it. */
export function FoundFace({ face, number, isPointedAt, point }: Props) {
  const quality = describeQuality([face]);
  return (
    <li className="found-face" data-pointed={isPointedAt} onPointerEnter={point}>
      <h2>
        {t('face.boxOf', { number, name: face.person?.name ?? t('status.unknown') })}{' '}
        {quality !== null && (
          <span className="tag" data-kind="poor">
            {quality}
          </span>
        )}
      </h2>
      {face.matches.length === 0 ? (
        <p className="reason">{t('search.noMatches')}</p>
      ) : (
        <ul className="matches" aria-label={t('search.matches')}>
          {face.matches.map((match) => (
            <li key={match.person.id} data-matched={match.matched}>
              <Link to="/people/$id" params={{ id: String(match.person.id) }}>
                {match.person.name}
              </Link>
              {match.matched && (
                <span className="tag" data-kind="good">
                  {t('search.matched')}
                </span>
              )}
              <Similarity similarity={match.similarity} />
            </li>
          ))}
        </ul>
      )}
      <h3>{t('search.images')}</h3>
      {face.images && face.images.length > 0 ? (
        <ul className="found-photos">
          {face.images.map((image) => (
            <li key={image.id}>
              <Link to="/images/$id" params={{ id: String(image.id) }} title={image.path}>
                <img src={photoUrl(image.id, 240)} alt={image.path} loading="lazy" />
              </Link>
            </li>
          ))}
        </ul>
      ) : (
        <p className="reason">{t('search.noImages')}</p>
      )}
    </li>
  );
}
