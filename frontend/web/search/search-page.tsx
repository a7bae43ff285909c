import '../styles/detail.css';
import { useMutation } from '@tanstack/react-query';
import { useCallback, useEffect, useState } from 'react';
import { type SearchAnswer, searchByPhoto } from '../api-clusters.ts';
import { describeError } from '../describe-error.ts';
import { DropZone } from '../drop-zone.tsx';
import { formatDuration } from '../format.ts';
import { t } from '../texts.ts';
import { FoundFace } from './found-face.tsx';
import { SearchedPhoto } from './searched-photo.tsx';

/** Who is in a photo that somebody drops here; nothing of it is stored. */
export function SearchPage() {
  const [photo, setPhoto] = useState<{ url: string } | null>(null);
  const searching = useMutation({
    mutationFn: (file: File) => searchByPhoto(file, new AbortController().signal),
  });
  const { mutate, reset } = searching;
  const search = useCallback(
    (files: readonly File[]) => {
      const [file] = files;
      if (!file) return;
      setPhoto({ url: URL.createObjectURL(file) });
      mutate(file);
    },
    [mutate],
  );
  useEffect(() => () => void (photo && URL.revokeObjectURL(photo.url)), [photo]);
  useEffect(() => {
    const paste = (event: ClipboardEvent) => search([...(event.clipboardData?.files ?? [])]);
    addEventListener('paste', paste);
    return () => removeEventListener('paste', paste);
  }, [search]);
  return (
    <>
      <div className="page-title">
        <h1>{t('search.title')}</h1>
        {photo && (
          <button
            type="button"
            className="button"
            onClick={() => {
              setPhoto(null);
              reset();
            }}
          >
            {t('search.another')}
          </button>
        )}
      </div>
      {!photo && (
        <DropZone
          title={t('search.drop')}
          hint={t('search.dropHint')}
          choose={t('search.choose')}
          isLarge
          isSingle
          take={search}
        />
      )}
      <div role="status">{searching.isPending && <p className="follow-up">{t('search.searching')}</p>}</div>
      {searching.error && (
        <p role="alert" className="reason">
          {describeError(searching.error)}
        </p>
      )}
      {photo && <Answer url={photo.url} answer={searching.data} />}
    </>
  );
}

function Answer({ url, answer }: { url: string; answer: SearchAnswer | undefined }) {
  const [pointedAt, setPointedAt] = useState(0);
  const scan = answer?.scan;
  return (
    <div className="photo-page">
      <SearchedPhoto url={url} answer={answer} pointedAt={pointedAt} point={setPointedAt} />
      <section className="faces" aria-live="polite">
        {answer?.faces.length === 0 && <p className="reason">{t('search.nobody')}</p>}
        <ol className="face-cards">
          {answer?.faces.map((face, index) => (
            <FoundFace
              key={index}
              face={face}
              number={index + 1}
              isPointedAt={index === pointedAt}
              point={() => setPointedAt(index)}
            />
          ))}
        </ol>
        {scan && (
          <p className="intro">
            {t('search.scanned', { faces: scan.faces, time: formatDuration(scan.ms) })}
            {!scan.complete && ` ${t('search.incomplete')}`}
          </p>
        )}
      </section>
    </div>
  );
}
