import '../styles/detail.css';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type PersonDetail, type Reference, referenceUrl, removeReference } from '../api-people.ts';
import { FacePicture } from '../face-crop.tsx';
import { describeQuality } from '../format.ts';
import { tell, tellError } from '../notices.tsx';
import { t } from '../texts.ts';
import { EnrolPhotos } from './enrol-photos.tsx';

/** What a person is recognised by, and the way to more of it. */
export function PersonReferences({ person }: { person: PersonDetail }) {
  return (
    <section className="section">
      <h2>{t('person.references')}</h2>
      <p className="intro">
        {person.references.length === 0
          ? t('person.noReferences', { name: person.name })
          : t('person.referencesText', { name: person.name })}
      </p>
      {person.references.length > 0 && (
        <ul className="references">
          {person.references.map((reference) => (
            <ReferenceCard key={reference.id} reference={reference} personId={person.id} />
          ))}
        </ul>
      )}
      <EnrolPhotos person={person} />
    </section>
  );
}

function ReferenceCard({ reference, personId }: { reference: Reference; personId: number }) {
  const client = useQueryClient();
  const removing = useMutation({
    mutationFn: () => removeReference(personId, reference.id),
    onSuccess: () => {
      tell(t('person.removed'));
      for (const key of ['people', 'person']) void client.invalidateQueries({ queryKey: [key] });
    },
    onError: tellError,
  });
  const name = reference.path ?? reference.imageName;
  const quality = describeQuality([reference]);
  return (
    <li className="reference">
      <FacePicture url={referenceUrl(personId, reference, 128)} alt="" />
      <div>
        <span className="reference-name" title={name}>
          {name}
        </span>
        <span className="tag">{t(`person.source.${reference.source}`)}</span>{' '}
        {reference.failure !== null ? (
          <span className="tag" data-kind="poor">
            {t('person.unusable', { reason: reference.failure })}
          </span>
        ) : (
          reference.quality && (
            <span className="tag" data-kind={quality === null ? 'good' : 'poor'}>
              {quality ?? t('quality.good')}
            </span>
          )
        )}
      </div>
      <button
        type="button"
        className="button"
        data-kind="quiet"
        aria-label={t('person.removeOne', { name })}
        disabled={removing.isPending}
        onClick={() => removing.mutate()}
      >
        {t('person.remove')}
      </button>
    </li>
  );
}
