// biome-ignore-all lint/a11y/noRedundantRoles: on a phone CSS lays the rows out as cards, and an element that is no
// longer displayed as a table loses its meaning in some browsers; the roles keep it.

import { type RefObject, useRef, useState } from 'react';
import { FarRow } from './far-row.tsx';
import { isHeld, type ListedImage } from './image-list.ts';
import type { ImageOrder } from './image-order.ts';
import { ImageRow } from './image-row.tsx';
import type { ImageSearch } from './routes.tsx';
import { t } from './texts.ts';
import { useLines } from './use-lines.ts';
import { useReach } from './use-reach.ts';
import type { Selection } from './use-selection.ts';
import { pixelsPerRem, useMedia, useWidth } from './use-width.ts';

export interface ShownImages {
  readonly images: readonly ListedImage[];
  readonly order: ImageOrder;
  /** Whether there are older ones that are not held. */
  readonly goesOn: boolean;
  readonly search: ImageSearch;
  /** null: nothing can be chosen. */
  readonly selection: Selection | null;
  /** Called with the index of the first row that is drawn, and with that after the last. */
  readonly onReach: (from: number, to: number) => void;
}

/** In rem, as in table.css and cards.css. */
const rowHeight = { table: 9.5, wide: 12.25, card: 10.5 };
const cardGap = 0.75;
const narrowestCard = 22;

const columnNames = ['photo', 'person', 'path', 'status', 'similarity', 'added'] as const;

export function ImageTable({ images, order, goesOn, search, selection, onReach }: ShownImages) {
  const [newestAtFirst] = useState(() => images.reduce((newest, { id }) => Math.max(newest, id), 0));
  const list = useRef<HTMLDivElement>(null);
  const { isCards, columns, lineHeight } = useTableMeasures(list);
  const { from, to, before, after } = useLines(list, { count: images.length, columns, lineHeight });
  useReach(from, to, onReach);
  return (
    <div ref={list} style={{ paddingTop: before, paddingBottom: after }}>
      <table
        className="images"
        role="table"
        aria-label={t(`images.table.${order}`)}
        aria-rowcount={goesOn ? -1 : images.length + 1}
        style={{ '--columns': columns }}
      >
        <thead role="rowgroup">
          <tr role="row" aria-rowindex={1}>
            {selection && (
              <th role="columnheader" scope="col" data-column="select">
                <span className="visually-hidden">{t('column.select')}</span>
              </th>
            )}
            {columnNames.map((name) => (
              <th key={name} role="columnheader" scope="col" data-column={name}>
                {t(`column.${name}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {images
            .slice(from, to)
            .map((image, place) =>
              isHeld(image) ? (
                <ImageRow
                  key={image.id}
                  image={image}
                  rowIndex={from + place + 2}
                  isNew={order === 'newest' && image.id > newestAtFirst}
                  search={search}
                  isCard={isCards}
                  isSelected={selection?.ids.has(image.id) ?? false}
                  toggle={selection?.toggle ?? null}
                />
              ) : (
                <FarRow key={image.id} id={image.id} rowIndex={from + place + 2} />
              ),
            )}
        </tbody>
      </table>
    </div>
  );
}

function useTableMeasures(list: RefObject<HTMLElement | null>) {
  const isCards = useMedia('(max-width: 54rem)');
  const isWide = useMedia('(min-width: 100rem)');
  const width = useWidth(list);
  const rem = pixelsPerRem();
  if (!isCards) return { isCards, columns: 1, lineHeight: rowHeight[isWide ? 'wide' : 'table'] * rem };
  const columns = Math.max(1, Math.floor((width + cardGap * rem) / ((narrowestCard + cardGap) * rem)));
  return { isCards, columns, lineHeight: (rowHeight.card + cardGap) * rem };
}
