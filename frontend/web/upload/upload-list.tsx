import '../styles/upload.css';
import { Link } from '@tanstack/react-router';
import { useRef } from 'react';
import { describeReason } from '../describe-error.ts';
import { formatBytes } from '../format.ts';
import { t } from '../texts.ts';
import { useLines } from '../use-lines.ts';
import { pixelsPerRem } from '../use-width.ts';
import { type Upload, uploads } from './uploads.ts';

/** In rem, as in upload.css. */
const lineHeight = 3.75;

export function UploadList({ list }: { list: readonly Upload[] }) {
  const frame = useRef<HTMLDivElement>(null);
  const { from, to, before, after } = useLines(frame, {
    count: list.length,
    columns: 1,
    lineHeight: lineHeight * pixelsPerRem(),
  });
  return (
    <>
      <Overall list={list} />
      <div ref={frame} style={{ paddingTop: before, paddingBottom: after }}>
        <ul className="uploads" aria-label={t('upload.list')}>
          {list.slice(from, to).map((upload) => (
            <UploadLine key={upload.id} upload={upload} />
          ))}
        </ul>
      </div>
    </>
  );
}

function Overall({ list }: { list: readonly Upload[] }) {
  const idsOf = (...states: readonly Upload['state'][]) =>
    list.filter(({ state }) => states.includes(state)).map(({ id }) => id);
  const active = idsOf('waiting', 'sending');
  const done = idsOf('done');
  const failed = idsOf('failed');
  const again = idsOf('failed', 'cancelled');
  const wanted = list.filter(({ state }) => state !== 'cancelled');
  const bytes = wanted.reduce((sum, { file }) => sum + file.size, 0);
  const sent = wanted.reduce((sum, { file, progress }) => sum + file.size * progress, 0);
  return (
    <div className="overall">
      <div className="overall-line">
        <p role="status">
          {active.length === 0 && failed.length === 0
            ? t('upload.allDone', { count: done.length })
            : t('upload.progress', { done: done.length, total: wanted.length })}
          {failed.length > 0 && ` · ${t('upload.failed', { count: failed.length })}`}
        </p>
        {active.length > 0 && (
          <button type="button" className="button" onClick={() => uploads.cancel(active)}>
            {t('upload.cancelAll')}
          </button>
        )}
        {again.length > 0 && (
          <button type="button" className="button" onClick={() => uploads.retry(again)}>
            {t('upload.retryAll')}
          </button>
        )}
        {active.length === 0 && (
          <button type="button" className="button" onClick={uploads.clear}>
            {t('upload.clear')}
          </button>
        )}
      </div>
      <progress aria-label={t('upload.overall')} max={1} value={bytes > 0 ? sent / bytes : 0} />
    </div>
  );
}

function UploadLine({ upload: { id, file, state, progress, error, imageId } }: { upload: Upload }) {
  const isActive = state === 'waiting' || state === 'sending';
  const labelled = (action: string) => t('upload.of', { name: file.name, action });
  return (
    <li className="upload" data-state={state}>
      <div>
        <span className="reference-name" title={file.name}>
          {file.name}
        </span>
        {error ? (
          <small className="upload-error">{describeReason({ code: error.code, message: error.message })}</small>
        ) : (
          <small>
            {t(`upload.state.${state}`)} · {formatBytes(file.size)}
          </small>
        )}
      </div>
      {state === 'sending' && <progress aria-label={file.name} max={1} value={progress} />}
      {isActive && (
        <button
          type="button"
          className="button"
          data-kind="quiet"
          aria-label={labelled(t('upload.cancel'))}
          onClick={() => uploads.cancel([id])}
        >
          {t('upload.cancel')}
        </button>
      )}
      {(state === 'failed' || state === 'cancelled') && (
        <button
          type="button"
          className="button"
          data-kind="quiet"
          aria-label={labelled(t('upload.retry'))}
          onClick={() => uploads.retry([id])}
        >
          {t('upload.retry')}
        </button>
      )}
      {imageId !== null && (
        <Link
          className="button"
          data-kind="quiet"
          to="/images/$id"
          params={{ id: String(imageId) }}
          aria-label={labelled(t('upload.show'))}
        >
          {t('upload.show')}
        </Link>
      )}
    </li>
  );
}
