import { Link } from '@tanstack/react-router';
import { t } from './texts.ts';

/** The way to a folder: each part leads to the photos in it. */
export function FolderLinks({ folder }: { folder: string }) {
  const scheme = /^[a-z][a-z0-9]*:\/\//i.exec(folder)?.[0].length ?? 0;
  const ends = [...folder.matchAll(/\//g)].map(({ index }) => index + 1).filter((end) => end > scheme);
  return (
    <span className="folder-links">
      {ends.map((end, place) => (
        <Link
          key={end}
          to="/"
          search={{ folder: folder.slice(0, end) }}
          aria-label={t('filter.inFolder', { folder: folder.slice(0, end) })}
        >
          {folder.slice(place === 0 ? 0 : ends[place - 1], end)}
        </Link>
      ))}
    </span>
  );
}
