import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { noFilter } from '../api.ts';
import { coverUrl, fetchPerson, type PersonDetail, type Receipt } from '../api-people.ts';
import { FacePicture } from '../face-crop.tsx';
import { GoneOrTrouble } from '../gone.tsx';
import { ImageListView } from '../image-list-view.tsx';
import { LoadingRows } from '../loading-rows.tsx';
import { ApiError } from '../request.ts';
import { t } from '../texts.ts';
import { useImages } from '../use-images.ts';
import { ErasePerson, MergePerson, RenamePerson } from './person-dialogs.tsx';
import { PersonReferences } from './person-references.tsx';
import { ReceiptView } from './receipt-view.tsx';

const route = getRouteApi('/people/$id');

/** One person: the photos that show them, and what they are recognised by. */
export function PersonPage() {
  const { id } = route.useParams();
  const [isErasing, setErasing] = useState(false);
  const [receipt, setReceipt] = useState<Receipt | null>(null);
  const query = useQuery({
    queryKey: ['person', Number(id)],
    queryFn: ({ signal }) => fetchPerson(Number(id), signal),
    // Somebody who is being erased is not asked for: the answer may be that there is nobody.
    enabled: !isErasing,
    refetchInterval: ({ state }) => (state.error ? 5_000 : 30_000),
  });
  const back = (
    <Link className="button" to="/people">
      {t('person.back')}
    </Link>
  );
  if (receipt) return <ReceiptView receipt={receipt} back={back} />;
  // Erased or merged meanwhile: what is still held of them is not shown. Other trouble is the banner's.
  const isGone = query.error instanceof ApiError && query.error.status === 404;
  if (query.error && (!query.data || isGone)) {
    const retry = () => void query.refetch();
    const texts = { title: t('person.goneTitle'), text: t('person.gone') };
    return <GoneOrTrouble error={query.error} {...texts} back={back} retry={retry} />;
  }
  return query.data ? (
    <Person key={id} person={query.data} onErasing={setErasing} onErased={setReceipt} />
  ) : (
    <LoadingRows />
  );
}

interface Props {
  readonly person: PersonDetail;
  /** false: it has failed. */
  readonly onErasing: (isErasing: boolean) => void;
  readonly onErased: (receipt: Receipt) => void;
}

function Person({ person, onErasing, onErased }: Props) {
  const [dialog, setDialog] = useState<'rename' | 'merge' | 'erase' | null>(null);
  const close = () => setDialog(null);
  return (
    <article>
      <div className="detail-head">
        <Link className="back-link" to="/people">
          <span aria-hidden="true">←</span> {t('person.back')}
        </Link>
      </div>
      <header className="person-head">
        <FacePicture url={coverUrl(person, 256)} alt="" />
        <div>
          <h1>{person.name}</h1>
          <p>
            {t('people.photos', { count: person.images })} · {t('people.references', { count: person.faces })}
          </p>
        </div>
        <div className="person-actions">
          <button type="button" className="button" onClick={() => setDialog('rename')}>
            {t('person.rename')}
          </button>
          <button type="button" className="button" onClick={() => setDialog('merge')}>
            {t('person.merge')}
          </button>
          <button type="button" className="button" data-kind="danger" onClick={() => setDialog('erase')}>
            {t('person.erase')}
          </button>
        </div>
      </header>
      {dialog === 'merge' && <MergePerson person={person} close={close} />}
      <PersonReferences person={person} />
      <PersonPhotos person={person} />
      {dialog === 'rename' && <RenamePerson person={person} close={close} />}
      {dialog === 'erase' && <ErasePerson person={person} close={close} onErasing={onErasing} onErased={onErased} />}
    </article>
  );
}

function PersonPhotos({ person }: { person: PersonDetail }) {
  const images = useImages({ ...noFilter, person: person.id });
  return (
    <section className="section">
      <h2>{t('person.photosOf')}</h2>
      {images.list?.images.length === 0 && <p className="intro">{t('person.noPhotos', { name: person.name })}</p>}
      {images.list && images.list.images.length > 0 && (
        <ImageListView list={images.list} images={images} view="grid" search={{ person: person.id, view: 'grid' }} />
      )}
    </section>
  );
}
