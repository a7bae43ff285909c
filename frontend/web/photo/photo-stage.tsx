import { useState } from 'react';
import { type BoundingBox, type Image, type Person, photoUrl } from '../api.ts';
import { PhotoPlaceholder } from '../photo-placeholder.tsx';
import { t } from '../texts.ts';

interface Props {
  readonly image: Image;
  /** The id of the face whose box stands out. */
  readonly pointedAt: number | null;
  readonly point: (faceId: number) => void;
}

/** Pixels: large enough for a wide, dense screen, and far fewer than a camera's. */
const photoWidth = 1600;

/** The photo with a button on each face. */
export function PhotoStage({ image, pointedAt, point }: Props) {
  const [missing, setMissing] = useState(false);
  const { width, height } = image;
  if (width === null || height === null || image.status === 'unreadable' || missing) {
    return (
      <div className="stage">
        <PhotoPlaceholder status={image.status} />
        {missing && <p>{t('photo.missing')}</p>}
      </div>
    );
  }
  return (
    <div className="stage">
      <div className="stage-photo" style={{ '--ratio': width / height }}>
        <img
          src={photoUrl(image.id, Math.min(width, photoWidth))}
          alt={image.path}
          width={width}
          height={height}
          onError={() => setMissing(true)}
        />
        {image.faces.map(
          (face, index) =>
            face.box && (
              <BoxButton
                key={face.id}
                box={face.box}
                person={face.person}
                number={index + 1}
                isPointedAt={face.id === pointedAt}
                press={() => point(face.id)}
              />
            ),
        )}
      </div>
    </div>
  );
}

interface BoxProps {
  readonly box: BoundingBox;
  readonly person: Person | null;
  readonly number: number;
  readonly isPointedAt: boolean;
  readonly press: () => void;
}

export function BoxButton({ box, person, number, isPointedAt, press }: BoxProps) {
  const name = person?.name ?? t('status.unknown');
  return (
    <button
      type="button"
      className="box-button"
      data-known={person !== null}
      aria-pressed={isPointedAt}
      aria-label={t('face.boxOf', { number, name })}
      title={name}
      onClick={press}
      style={{
        left: percent(box.left),
        top: percent(box.top),
        width: percent(box.width),
        height: percent(box.height),
      }}
    >
      <span aria-hidden="true">{person?.name ?? number}</span>
    </button>
  );
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(2)}%`;
}
