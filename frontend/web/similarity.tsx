import type { Image } from './api.ts';
import { formatSimilarity } from './format.ts';

const explanation =
  'How alike this face and the nearest known photo are. At the default threshold it is 50 %. It is not the probability that the name is right.';

export function Similarity({ image: { similarity } }: { image: Image }) {
  if (similarity === null) {
    return (
      <span className="nothing" aria-hidden="true">
        –
      </span>
    );
  }
  return (
    <span className="similarity" title={explanation}>
      <span className="similarity-bar" aria-hidden="true">
        <span style={{ width: `${similarity * 100}%` }} />
      </span>
      {formatSimilarity(similarity)}
    </span>
  );
}
