import type { SearchAnswer } from '../api-clusters.ts';
import { BoxButton } from '../photo/photo-stage.tsx';
import { t } from '../texts.ts';

interface Props {
  readonly url: string;
  readonly answer: SearchAnswer | undefined;
  readonly pointedAt: number;
  readonly point: (index: number) => void;
}

/** The reader's own photo, with a button on each face once they are known. */
export function SearchedPhoto({ url, answer, pointedAt, point }: Props) {
  const ratio = answer ? answer.width / answer.height : null;
  return (
    <div className="stage">
      <div className="stage-photo" {...(ratio === null ? {} : { style: { '--ratio': ratio } })}>
        <img src={url} alt={t('search.yours')} />
        {answer?.faces.map((face, index) => (
          <BoxButton
            key={index}
            box={face.box}
            person={face.person}
            number={index + 1}
            isPointedAt={index === pointedAt}
            press={() => point(index)}
          />
        ))}
      </div>
    </div>
  );
}
