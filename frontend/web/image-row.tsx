// biome-ignore-all lint/a11y/noRedundantRoles: on a phone CSS lays the rows out as cards, and an element that is no
// longer displayed as a table loses its meaning in some browsers; the roles keep it.

import { Fragment, memo } from 'react';
import type { Image } from './api.ts';
import { shorten, splitPath } from './format.ts';
import { Moment } from './moment.tsx';
import { PhotoThumbnail } from './photo-thumbnail.tsx';
import type { ImageSearch } from './routes.tsx';
import { SelectBox } from './select-box.tsx';
import { Similarity } from './similarity.tsx';
import { StatusBadge } from './status-badge.tsx';
import { WhoIsThere } from './who-is-there.tsx';

interface Props {
  readonly image: Image;
  /** In the whole table, the head's row is 1. */
  readonly rowIndex: number;
  readonly isNew: boolean;
  readonly search: ImageSearch;
  /** Shown as a card. */
  readonly isCard: boolean;
  readonly isSelected: boolean;
  /** null: rows cannot be chosen. */
  readonly toggle: ((id: number, upTo: boolean) => void) | null;
}

/** Characters of a path that leave a row as high as all are. */
const longest = { row: { folder: 100, file: 100 }, card: { folder: 28, file: 36 } };

export const ImageRow = memo(function ImageRow({ image, rowIndex, isNew, search, isCard, isSelected, toggle }: Props) {
  const { folder, file } = splitPath(image.path);
  const most = longest[isCard ? 'card' : 'row'];
  return (
    <tr
      role="row"
      aria-rowindex={rowIndex}
      data-image={image.id}
      data-status={image.status}
      data-new={isNew}
      data-selected={isSelected}
    >
      {toggle && (
        <td role="cell" className="select-cell">
          <SelectBox id={image.id} name={file} isSelected={isSelected} toggle={toggle} />
        </td>
      )}
      <td role="cell" className="photo-cell">
        <PhotoThumbnail image={image} search={search} />
      </td>
      <td role="cell" className="person-cell">
        <WhoIsThere image={image} />
      </td>
      <th role="rowheader" scope="row" className="path-cell" title={image.path}>
        <span className="folder">
          {shorten(folder, most.folder)
            .split(/(?<=\/)/)
            .map((part, place) => (
              <Fragment key={place}>
                {part}
                <wbr />
              </Fragment>
            ))}
        </span>
        {shorten(file, most.file)}
      </th>
      <td role="cell" className="status-cell">
        <StatusBadge status={image.status} />
      </td>
      <td role="cell" className="similarity-cell">
        <Similarity similarity={image.similarity} />
      </td>
      <td role="cell" className="time-cell">
        <Moment image={image} />
      </td>
    </tr>
  );
});
