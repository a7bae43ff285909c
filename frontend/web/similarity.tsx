import { formatSimilarity } from './format.ts';
import { t } from './texts.ts';

/** @param similarity 0..1, or null where nobody matched */
export function Similarity({ similarity }: { similarity: number | null }) {
  if (similarity === null) {
    return (
      <span className="nothing" aria-hidden="true">
        –
      </span>
    );
  }
  return (
    <span className="similarity" title={t('similarity.explained')}>
      <span className="similarity-bar" aria-hidden="true">
        <span style={{ width: `${similarity * 100}%` }} />
      </span>
      {formatSimilarity(similarity)}
    </span>
  );
}
