import { useState } from 'react';
import type { Image } from './api.ts';
import { ImageRow } from './image-row.tsx';

/**
 * The roles repeat what the elements mean, because on a phone CSS lays the rows out as cards, and an element that is
 * no longer displayed as a table loses its meaning in some browsers.
 */
export function ImageTable({ images }: { images: readonly Image[] }) {
  const [newestAtFirst] = useState(images[0]?.id ?? 0);
  return (
    // biome-ignore lint/a11y/noRedundantRoles: see above
    <table className="images" role="table" aria-label="Photos, newest first">
      {/* biome-ignore lint/a11y/noRedundantRoles: see above */}
      <thead role="rowgroup">
        {/* biome-ignore lint/a11y/noRedundantRoles: see above */}
        <tr role="row">
          {['Photo', 'Person', 'Path', 'Status', 'Similarity', 'Added'].map((name) => (
            // biome-ignore lint/a11y/noRedundantRoles: see above
            <th key={name} role="columnheader" scope="col" data-column={name.toLowerCase()}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      {/* biome-ignore lint/a11y/noRedundantRoles: see above */}
      <tbody role="rowgroup">
        {images.map((image) => (
          <ImageRow key={image.id} image={image} isNew={image.id > newestAtFirst} />
        ))}
      </tbody>
    </table>
  );
}
