import { useMutation, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import { deleteImage, retryImages } from './api.ts';
import { ConfirmDialog } from './confirm-dialog.tsx';
import { isHeld, type ListedImage, removeImage } from './image-list.ts';
import { updateLists } from './live.ts';
import { tell, tellError } from './notices.tsx';
import { t } from './texts.ts';
import type { Selection } from './use-selection.ts';

/** The field for names is worth a script of its own. */
const NamePhotos = lazy(() => import('./name-photos.tsx').then((module) => ({ default: module.NamePhotos })));

/** Deletions that are on their way at a time. */
const deletionsAtOnce = 4;

/** What can be done with the chosen images. */
export function ImageActions({ images, selection }: { images: readonly ListedImage[]; selection: Selection }) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [isNaming, setNaming] = useState(false);
  const ids = [...selection.ids];
  const chosen = images.filter(({ id }) => selection.ids.has(id));
  // What has become far while it is chosen may be anything.
  const canRetry = chosen.some((image) => !isHeld(image) || image.status === 'failed' || image.status === 'unreadable');
  const canName = chosen.some((image) => !isHeld(image) || image.faces.some(({ person }) => person === null));
  const retry = useMutation({
    mutationFn: () => retryImages(ids),
    onSuccess: ({ retried }) => {
      tell(t('retry.done', { count: retried }));
      selection.clear();
      void client.invalidateQueries({ queryKey: ['images'] });
    },
    onError: tellError,
  });
  const remove = useMutation({
    mutationFn: () => deleteImages(ids, (id) => updateLists(client, (list) => removeImage(list, id))),
    onSuccess: ({ deleted, failed, error }) => {
      setAsking(false);
      if (deleted.length > 0) tell(t('delete.done', { count: deleted.length }));
      if (error) tellError(error);
      selection.keep(new Set(failed));
      void client.invalidateQueries({ queryKey: ['images'] });
      void client.invalidateQueries({ queryKey: ['stats'] });
    },
  });
  return (
    <section className="action-bar" aria-label={t('select.region')}>
      {isNaming && (
        <Suspense fallback={<p>{t('loading')}</p>}>
          <NamePhotos ids={ids} close={() => setNaming(false)} keep={selection.keep} />
        </Suspense>
      )}
      <p className="action-count" aria-live="polite">
        {t('select.count', { count: ids.length })}
      </p>
      {canName && (
        <button type="button" className="button" aria-expanded={isNaming} onClick={() => setNaming(!isNaming)}>
          {t('naming.open')}
        </button>
      )}
      {canRetry && (
        <button type="button" className="button" disabled={retry.isPending} onClick={() => retry.mutate()}>
          {t('retry.action')}
        </button>
      )}
      <button type="button" className="button" data-kind="danger" onClick={() => setAsking(true)}>
        {t('delete.action')}
      </button>
      <button type="button" className="button" onClick={selection.clear}>
        {t('select.clear')}
      </button>
      {asking && (
        <ConfirmDialog
          title={t('delete.title', { count: ids.length })}
          text={t('delete.text')}
          action={t('delete.action')}
          isBusy={remove.isPending}
          confirm={() => remove.mutate()}
          close={() => setAsking(false)}
        />
      )}
    </section>
  );
}

/** Goes on after a failure. */
async function deleteImages(ids: readonly number[], onDeleted: (id: number) => void) {
  const waiting = [...ids];
  const deleted: number[] = [];
  const failed: number[] = [];
  let error: unknown = null;
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        await deleteImage(id);
        deleted.push(id);
        onDeleted(id);
      } catch (cause) {
        failed.push(id);
        error = cause;
      }
    }
  };
  await Promise.all(Array.from({ length: deletionsAtOnce }, work));
  return { deleted, failed, error };
}
