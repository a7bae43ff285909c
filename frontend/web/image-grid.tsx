import { useRef } from 'react';
import type { Image } from './api.ts';
import { splitPath } from './format.ts';
import { isHeld } from './image-list.ts';
import type { ShownImages } from './image-table.tsx';
import { PhotoThumbnail } from './photo-thumbnail.tsx';
import type { ImageSearch } from './routes.tsx';
import { SelectBox } from './select-box.tsx';
import { StatusBadge } from './status-badge.tsx';
import { t } from './texts.ts';
import { useLines } from './use-lines.ts';
import { useReach } from './use-reach.ts';
import type { Selection } from './use-selection.ts';
import { pixelsPerRem, useWidth } from './use-width.ts';
import { WhoIsThere } from './who-is-there.tsx';

/** In rem, as in images.css. */
const narrowestTile = { phone: 10, desk: 14 };
const captionHeight = 4.25;
const gap = 0.75;

export function ImageGrid({ images, order, search, selection, onReach }: ShownImages) {
  const list = useRef<HTMLDivElement>(null);
  const width = useWidth(list);
  const rem = pixelsPerRem();
  const narrowest = width < 40 * rem ? narrowestTile.phone : narrowestTile.desk;
  const columns = Math.max(1, Math.floor((width + gap * rem) / ((narrowest + gap) * rem)));
  const tileWidth = (width - gap * rem * (columns - 1)) / columns;
  const photoHeight = Math.max(1, tileWidth * 0.75);
  const lineHeight = photoHeight + (captionHeight + gap) * rem;
  const { from, to, before, after } = useLines(list, { count: images.length, columns, lineHeight });
  useReach(from, to, onReach);
  return (
    <div ref={list} style={{ paddingTop: before, paddingBottom: after }}>
      {width > 0 && (
        <ul
          className="tiles"
          aria-label={t(`images.table.${order}`)}
          style={{ '--columns': columns, '--widest': `${tileWidth}px`, '--highest': `${photoHeight}px` }}
        >
          {images.slice(from, to).map((image) =>
            isHeld(image) ? (
              <Tile key={image.id} image={image} search={search} selection={selection} />
            ) : (
              <li key={image.id} className="tile" data-image={image.id} data-far>
                <div className="tile-photo" />
                <div className="tile-caption visually-hidden">{t('loading')}</div>
              </li>
            ),
          )}
        </ul>
      )}
    </div>
  );
}

function Tile({ image, search, selection }: { image: Image; search: ImageSearch; selection: Selection | null }) {
  const { file } = splitPath(image.path);
  const isSelected = selection?.ids.has(image.id) ?? false;
  return (
    <li className="tile" data-image={image.id} data-status={image.status} data-selected={isSelected}>
      <div className="tile-photo">
        <PhotoThumbnail image={image} search={search} />
        {selection && <SelectBox id={image.id} name={file} isSelected={isSelected} toggle={selection.toggle} />}
      </div>
      <div className="tile-caption">
        <div className="tile-who">
          <WhoIsThere image={image} />
        </div>
        <div className="tile-file">
          <span title={image.path}>{file}</span>
          <StatusBadge status={image.status} />
        </div>
      </div>
    </li>
  );
}
