import { type InfiniteData, useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useCallback, useState } from 'react';
import { addPerson, coverUrl, fetchPeople, type PeoplePage as Page, type PersonSummary } from '../api-people.ts';
import { FacePicture } from '../face-crop.tsx';
import { FaceMark } from '../face-mark.tsx';
import { ModalDialog } from '../modal-dialog.tsx';
import { NotLoaded } from '../not-loaded.tsx';
import { ShowMore } from '../show-more.tsx';
import { TextFilter } from '../text-filter.tsx';
import { t } from '../texts.ts';
import { NameForm } from './name-form.tsx';

const route = getRouteApi('/people');

/** Everybody who is known, by name. */
export function PeoplePage() {
  const { q = '' } = route.useSearch();
  const navigate = useNavigate();
  const [isAdding, setAdding] = useState(false);
  const query = useInfiniteQuery<Page, Error, InfiniteData<Page>, readonly unknown[], string | undefined>({
    queryKey: ['people', 'list', q],
    queryFn: ({ signal, pageParam }) => fetchPeople({ q: q || undefined, cursor: pageParam }, signal),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    placeholderData: (shown) => shown,
    refetchInterval: ({ state }) => (state.error ? 3_000 : 30_000),
  });
  const changeText = useCallback(
    (text: string) => void navigate({ to: '/people', search: text === '' ? {} : { q: text }, replace: true }),
    [navigate],
  );
  const people = query.data?.pages.flatMap((page) => page.people);
  return (
    <>
      <div className="page-title">
        <h1>{t('nav.people')}</h1>
        <TextFilter value={q} placeholder={t('filter.name')} label={t('filter.people')} change={changeText} />
        <button type="button" className="button" data-kind="primary" onClick={() => setAdding(true)}>
          {t('people.add')}
        </button>
      </div>
      {!people && <NotLoaded error={query.error} />}
      {people && people.length > 0 && (
        <ul className="people">
          {people.map((person) => (
            <PersonTile key={person.id} person={person} />
          ))}
        </ul>
      )}
      {people?.length === 0 && <NoPeople isFiltered={q !== ''} />}
      <ShowMore query={query} />
      {isAdding && <AddPerson close={() => setAdding(false)} />}
    </>
  );
}

function PersonTile({ person }: { person: PersonSummary }) {
  return (
    <li>
      <Link to="/people/$id" params={{ id: String(person.id) }}>
        <FacePicture url={coverUrl(person, 320)} alt="" />
        <strong>{person.name}</strong>
        <small>{t('people.photos', { count: person.images })}</small>
      </Link>
    </li>
  );
}

function NoPeople({ isFiltered }: { isFiltered: boolean }) {
  return (
    <section className="empty">
      <FaceMark />
      <h2>{isFiltered ? t('empty.filterTitle') : t('people.emptyTitle')}</h2>
      <p>{isFiltered ? t('people.noneFound') : t('people.emptyText')}</p>
    </section>
  );
}

function AddPerson({ close }: { close: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const adding = useMutation({
    mutationFn: addPerson,
    onSuccess: (person) => {
      void client.invalidateQueries({ queryKey: ['people'] });
      void navigate({ to: '/people/$id', params: { id: String(person.id) } });
    },
  });
  return (
    <ModalDialog title={t('people.add')} close={close}>
      <NameForm
        action={t('people.create')}
        isBusy={adding.isPending}
        error={adding.error}
        save={(name) => adding.mutate(name)}
        close={close}
      />
    </ModalDialog>
  );
}
