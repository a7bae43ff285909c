import { useState } from 'react';
import { type Image, photoUrl } from './api.ts';
import { FaceBoxes } from './face-boxes.tsx';
import { describePhoto, splitPath } from './format.ts';
import { PhotoPlaceholder } from './photo-placeholder.tsx';

/** Pixels: twice what the table shows, for dense screens. */
const thumbnailWidth = 320;

export function PhotoThumbnail({ image }: { image: Image }) {
  const [missing, setMissing] = useState(false);
  const { width, height } = image;
  // Only what the recognizer could read is asked for: the rest would answer with an error.
  if (width === null || height === null || image.status === 'unreadable' || missing) {
    return <PhotoPlaceholder status={image.status} />;
  }
  return (
    <a
      className="photo"
      href={photoUrl(image.id)}
      target="_blank"
      rel="noopener"
      title={`Open ${splitPath(image.path).file} at full size`}
      style={{ '--ratio': width / height }}
    >
      <img
        src={photoUrl(image.id, thumbnailWidth)}
        alt={`${describePhoto(image)}. Opens at full size in a new tab`}
        width={width}
        height={height}
        loading="lazy"
        decoding="async"
        onError={() => setMissing(true)}
      />
      <FaceBoxes faces={image.faces} ratio={width / height} />
    </a>
  );
}
