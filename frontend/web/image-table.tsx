// biome-ignore-all lint/a11y/noRedundantRoles: on a phone CSS lays the rows out as cards, and an element that is no
// longer displayed as a table loses its meaning in some browsers; the roles keep it.

import { useState } from 'react';
import type { Image } from './api.ts';
import { ImageRow } from './image-row.tsx';

export function ImageTable({ images }: { images: readonly Image[] }) {
  const [newestAtFirst] = useState(images[0]?.id ?? 0);
  return (
    <table className="images" role="table" aria-label="Photos, newest first">
      <thead role="rowgroup">
        <tr role="row">
          {['Photo', 'Person', 'Path', 'Status', 'Similarity', 'Added'].map((name) => (
            <th key={name} role="columnheader" scope="col" data-column={name.toLowerCase()}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {images.map((image) => (
          <ImageRow key={image.id} image={image} isNew={image.id > newestAtFirst} />
        ))}
      </tbody>
    </table>
  );
}
