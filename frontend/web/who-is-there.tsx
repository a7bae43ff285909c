import type { Image } from './api.ts';
import { formatFaceCount, statusNames, summariseFaces } from './format.ts';

/** Who is in the photo, or why nobody can be named. */
export function WhoIsThere({ image }: { image: Image }) {
  const { people, unknownFaces } = summariseFaces(image);
  if (people.length > 0) {
    return (
      <>
        <strong>{people.join(', ')}</strong>
        {unknownFaces > 0 && <small>and {formatFaceCount(unknownFaces).replace(' ', ' unknown ')}</small>}
      </>
    );
  }
  const detail = image.reason?.message ?? (unknownFaces > 1 ? formatFaceCount(unknownFaces) : null);
  return (
    <>
      <span className="nobody">{statusNames[image.status]}</span>
      {detail !== null && <small title={image.reason?.code}>{detail}</small>}
    </>
  );
}
