import type { Image } from './api.ts';
import { describeQuality, formatFaceCount, statusNames, summariseFaces } from './format.ts';

/** Who is in the photo, or why nobody can be named. */
export function WhoIsThere({ image }: { image: Image }) {
  const { people, unknownFaces } = summariseFaces(image);
  const poor = describeQuality(image.faces.filter((face) => face.person === null));
  const hint = poor !== null && <small title="Hard to recognise for this reason.">{poor}</small>;
  if (people.length > 0) {
    return (
      <>
        <strong>{people.join(', ')}</strong>
        {unknownFaces > 0 && <small>and {formatFaceCount(unknownFaces).replace(' ', ' unknown ')}</small>}
        {hint}
      </>
    );
  }
  const detail = image.reason?.message ?? (unknownFaces > 1 ? formatFaceCount(unknownFaces) : null);
  return (
    <>
      <span className="nobody">{statusNames[image.status]}</span>
      {detail !== null && <small title={image.reason?.code}>{detail}</small>}
      {hint}
    </>
  );
}
