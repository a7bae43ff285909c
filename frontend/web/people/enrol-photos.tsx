import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { enrolPhotos, fetchBatch, fetchBatchPhotos, type PersonDetail } from '../api-people.ts';
import { describeError, describeReason } from '../describe-error.ts';
import { DropZone } from '../drop-zone.tsx';
import { splitPath } from '../format.ts';
import { t } from '../texts.ts';

const askEveryMs = 700;

/** Adds photos that a person is recognised by, and says what became of each. */
export function EnrolPhotos({ person }: { person: PersonDetail }) {
  const [isForced, setForced] = useState(false);
  const sending = useMutation({
    mutationFn: async (files: readonly File[]) => {
      const { batch } = await enrolPhotos(person.id, files, isForced);
      // In the order given; fewer where the same photo was there twice, and then nobody knows which is which.
      return { id: batch.id, names: batch.total === files.length ? files.map(({ name }) => name) : [] };
    },
  });
  return (
    <>
      <DropZone
        title={t('person.drop', { name: person.name })}
        hint={t('person.dropHint')}
        choose={t('person.choose')}
        take={(files) => sending.mutate(files)}
      >
        <label className="check">
          <input type="checkbox" checked={isForced} onChange={(event) => setForced(event.target.checked)} />
          {t('person.force')}
        </label>
      </DropZone>
      <div role="status">
        {sending.isPending && <p className="follow-up">{t('person.sending')}</p>}
        {sending.error && <p className="reason">{describeError(sending.error)}</p>}
        {sending.data && !sending.isPending && <EnrolProgress key={sending.data.id} {...sending.data} />}
      </div>
    </>
  );
}

/** @param names of the files, as the reader knows them; empty: not known */
function EnrolProgress({ id, names }: { id: number; names: readonly string[] }) {
  const client = useQueryClient();
  const { data: batch } = useQuery({
    queryKey: ['batch', id],
    queryFn: ({ signal }) => fetchBatch(id, signal),
    refetchInterval: ({ state }) => (state.data?.pending === 0 ? false : askEveryMs),
  });
  const isDone = batch?.pending === 0;
  const { data: photos } = useQuery({
    queryKey: ['batch', id, 'photos'],
    queryFn: ({ signal }) => fetchBatchPhotos(id, signal),
    enabled: isDone,
  });
  useEffect(() => {
    if (!isDone) return;
    for (const key of ['people', 'person']) void client.invalidateQueries({ queryKey: [key] });
  }, [isDone, client]);
  if (!batch) return null;
  const refused = (photos?.photos ?? [])
    .map((photo, index) => ({ ...photo, name: names[index] ?? splitPath(photo.path).file }))
    .filter(({ reason }) => reason !== null);
  return (
    <>
      <p className="follow-up">
        {isDone
          ? t('person.enrolled', { count: batch.enrolled })
          : t('person.enrolling', { pending: batch.pending, total: batch.total })}
      </p>
      {refused.length > 0 && (
        <ul className="refused" aria-label={t('person.refused')}>
          {refused.map(({ id: photo, name, reason }) => (
            <li key={photo}>
              {name}: {reason && describeReason(reason)}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
