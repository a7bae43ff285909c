import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { ExplainedFace } from '../api.ts';
import { FaceCrop } from '../face-crop.tsx';
import { describeQuality, formatSimilarity } from '../format.ts';
import { PersonPicker } from '../person-picker.tsx';
import { Similarity } from '../similarity.tsx';
import { t } from '../texts.ts';
import { FaceWhy } from './face-why.tsx';
import { FollowUp } from './follow-up.tsx';
import { useFaceDecisions } from './use-face-decisions.ts';

interface Props {
  readonly face: ExplainedFace;
  /** As on the photo, from 1. */
  readonly number: number;
  readonly imageId: number;
  readonly isPointedAt: boolean;
  readonly point: () => void;
}

/** One face: whose it is, how sure that is and why, and what a person can say about it. */
export function FaceCard({ face, number, imageId, isPointedAt, point }: Props) {
  const [isNaming, setNaming] = useState(false);
  const decisions = useFaceDecisions(imageId, face);
  const { person } = face;
  const name = person?.name ?? t('status.unknown');
  const quality = describeQuality([face]);
  const others = (face.candidates ?? []).filter((candidate) => candidate.person.id !== person?.id);
  return (
    <li id={`face-${face.id}`} className="face-card" data-pointed={isPointedAt} onPointerEnter={point}>
      <FaceCrop id={face.id} width={160} alt={t('face.number', { number })} />
      <div className="face-card-body">
        <h2>
          {person ? (
            <Link to="/people/$id" params={{ id: String(person.id) }}>
              {name}
            </Link>
          ) : (
            name
          )}
        </h2>
        <p className="face-line">
          {person !== null && face.similarity !== null && <Similarity similarity={face.similarity} />}
          {face.decidedBy === 'user' && <span className="tag">{t('face.user_badge')}</span>}
          <span className="tag" data-kind={quality === null ? undefined : 'poor'} title={t('quality.label')}>
            {quality ?? t('quality.good')}
          </span>
        </p>
        {others.length > 0 && (
          <div className="candidates">
            <h3>{t('face.candidates')}</h3>
            <ul>
              {others.map((candidate) => (
                <li key={candidate.person.id}>
                  <button
                    type="button"
                    className="button"
                    data-kind="quiet"
                    disabled={decisions.isBusy}
                    aria-label={t('face.isThem', { name: candidate.person.name })}
                    onClick={() => decisions.name({ personId: candidate.person.id }, candidate.person.name)}
                  >
                    {candidate.person.name}
                  </button>
                  <small>{formatSimilarity(candidate.similarity)}</small>
                </li>
              ))}
            </ul>
          </div>
        )}
        {isNaming ? (
          <PersonPicker
            label={t('picker.label')}
            without={person ? [person.id] : []}
            action={t('picker.save')}
            isBusy={decisions.isBusy}
            autoFocus
            choose={(choice, chosen) => {
              decisions.name(choice, chosen);
              setNaming(false);
            }}
          />
        ) : (
          <div className="face-actions">
            <button type="button" className="button" disabled={decisions.isBusy} onClick={() => setNaming(true)}>
              {person ? t('face.rename') : t('face.name')}
            </button>
            {person && (
              <button
                type="button"
                className="button"
                disabled={decisions.isBusy}
                onClick={() => decisions.reject(person)}
              >
                {t('face.reject', { name: person.name })}
              </button>
            )}
            {person && face.decidedBy === 'gallery' && (
              <button
                type="button"
                className="button"
                title={t('face.enrolHint')}
                disabled={decisions.isBusy}
                onClick={() => decisions.enrol(person)}
              >
                {t('face.enrol')}
              </button>
            )}
          </div>
        )}
        {decisions.follow && <FollowUp key={decisions.follow.since} {...decisions.follow} />}
        <FaceWhy face={face} />
      </div>
    </li>
  );
}
