import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { type Image, photoUrl } from './api.ts';
import { FaceBoxes } from './face-boxes.tsx';
import { describePhoto } from './format.ts';
import { PhotoPlaceholder } from './photo-placeholder.tsx';
import type { ImageSearch } from './routes.tsx';
import { t } from './texts.ts';

/** Pixels: twice what the table shows, for dense screens. */
const thumbnailWidth = 320;

/** A photo that leads to the page about it; `search` leads back from there. */
export function PhotoThumbnail({ image, search }: { image: Image; search: ImageSearch }) {
  const [missing, setMissing] = useState(false);
  const { width, height } = image;
  // Only what the recognizer could read is asked for: the rest would answer with an error.
  const isShown = width !== null && height !== null && image.status !== 'unreadable' && !missing;
  const target = { to: '/images/$id', params: { id: String(image.id) }, search } as const;
  if (!isShown) {
    return (
      <Link {...target} className="photo-link" aria-label={describePhoto(image)}>
        <PhotoPlaceholder status={image.status} />
      </Link>
    );
  }
  return (
    <Link {...target} className="photo" title={t('photo.open')} style={{ '--ratio': width / height }}>
      <img
        src={photoUrl(image.id, thumbnailWidth)}
        alt={describePhoto(image)}
        width={width}
        height={height}
        loading="lazy"
        decoding="async"
        onError={() => setMissing(true)}
      />
      <FaceBoxes faces={image.faces} ratio={width / height} />
    </Link>
  );
}
