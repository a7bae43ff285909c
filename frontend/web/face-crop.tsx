import { useState } from 'react';
import { cropUrl } from './api.ts';

/** A face cut out of its photo; a blank where that is not possible (its photo is gone). */
export function FaceCrop({ id, width, alt }: { id: number | null; width: number; alt: string }) {
  return <FacePicture key={id} url={id === null ? null : cropUrl(id, width)} alt={alt} />;
}

/** @param props.url null: there is none */
export function FacePicture({ url, alt }: { url: string | null; alt: string }) {
  const [missing, setMissing] = useState(false);
  if (url === null || missing) return <FaceBlank />;
  return (
    <img className="face-crop" src={url} alt={alt} loading="lazy" decoding="async" onError={() => setMissing(true)} />
  );
}

function FaceBlank() {
  return (
    <span className="face-crop" data-blank aria-hidden="true">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20a7.5 7.5 0 0 1 15 0" />
      </svg>
    </span>
  );
}
