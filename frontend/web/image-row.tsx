// biome-ignore-all lint/a11y/noRedundantRoles: on a phone CSS lays the rows out as cards, and an element that is no
// longer displayed as a table loses its meaning in some browsers; the roles keep it.

import { Fragment, memo } from 'react';
import type { Image } from './api.ts';
import { splitPath } from './format.ts';
import { Moment } from './moment.tsx';
import { PhotoThumbnail } from './photo-thumbnail.tsx';
import { Similarity } from './similarity.tsx';
import { StatusBadge } from './status-badge.tsx';
import { WhoIsThere } from './who-is-there.tsx';

export const ImageRow = memo(function ImageRow({ image, isNew }: { image: Image; isNew: boolean }) {
  const { folder, file } = splitPath(image.path);
  return (
    <tr role="row" data-image={image.id} data-status={image.status} data-new={isNew}>
      <td role="cell" className="photo-cell">
        <PhotoThumbnail image={image} />
      </td>
      <td role="cell" className="person-cell">
        <WhoIsThere image={image} />
      </td>
      <th role="rowheader" scope="row" className="path-cell">
        <span className="folder">
          {folder.split(/(?<=\/)/).map((part, place) => (
            <Fragment key={place}>
              {part}
              <wbr />
            </Fragment>
          ))}
        </span>
        {file}
      </th>
      <td role="cell" className="status-cell">
        <StatusBadge status={image.status} />
      </td>
      <td role="cell" className="similarity-cell">
        <Similarity image={image} />
      </td>
      <td role="cell" className="time-cell">
        <Moment image={image} />
      </td>
    </tr>
  );
});
