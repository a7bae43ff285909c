import { useState, useSyncExternalStore } from 'react';
import { DropZone } from '../drop-zone.tsx';
import { isPhoto } from '../read-dropped-files.ts';
import { t } from '../texts.ts';
import { UploadList } from './upload-list.tsx';
import { uploads } from './uploads.ts';

// What is not sent yet goes with the tab, whichever view is open by then.
addEventListener('beforeunload', (event) => {
  if (uploads.read().some(({ state }) => state === 'waiting' || state === 'sending')) event.preventDefault();
});

/** Takes photos and folders, and shows how far they are. */
export function UploadPage() {
  const list = useSyncExternalStore(uploads.subscribe, uploads.read);
  const [skipped, setSkipped] = useState(0);
  const take = (files: readonly File[]) => {
    const photos = files.filter(isPhoto);
    setSkipped(files.length - photos.length);
    uploads.add(photos);
  };
  return (
    <>
      <div className="page-title">
        <h1>{t('upload.title')}</h1>
      </div>
      <DropZone
        title={t('upload.drop')}
        hint={t('upload.dropHint')}
        choose={t('upload.chooseFiles')}
        chooseFolder={t('upload.chooseFolder')}
        isLarge={list.length === 0}
        take={take}
      />
      <p role="status" className="intro">
        {skipped > 0 && t('upload.skipped', { count: skipped })}
      </p>
      {list.length > 0 && <UploadList list={list} />}
    </>
  );
}
