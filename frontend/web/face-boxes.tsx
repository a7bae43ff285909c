import type { Face } from './api.ts';
import { placeFaceLabels } from './face-labels.ts';
import { describeQuality, formatList, formatSimilarity } from './format.ts';
import { t } from './texts.ts';

/** A box on each face and the name beside it, laid over the photo that the parent shows. The row says it in words. */
export function FaceBoxes({ faces, ratio }: { faces: readonly Face[]; ratio: number }) {
  return (
    <span className="face-boxes" aria-hidden="true">
      {faces.map((face) => (
        <span
          key={face.id}
          className="face-box"
          data-known={face.person !== null}
          title={describeFace(face)}
          style={{
            left: percent(face.box.left),
            top: percent(face.box.top),
            width: percent(face.box.width),
            height: percent(face.box.height),
          }}
        />
      ))}
      {placeFaceLabels(faces, ratio).map(({ face, text, left, width, anchor, side }) => (
        <span
          key={face.id}
          className="face-label"
          data-known={face.person !== null}
          data-side={side}
          style={{
            left: percent(left),
            width: percent(width),
            top: percent(side === 'above' ? face.box.top : face.box.top + face.box.height),
            '--anchor': anchor,
          }}
        >
          <span>{text}</span>
        </span>
      ))}
    </span>
  );
}

function describeFace(face: Face): string {
  const { person, similarity } = face;
  const likeness =
    person && similarity !== null ? t('face.similarity', { similarity: formatSimilarity(similarity) }) : null;
  return formatList(
    [person?.name ?? t('status.unknown'), likeness, describeQuality([face])].filter((part) => part !== null),
  );
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(2)}%`;
}
