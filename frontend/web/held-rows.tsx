import type { Image } from './api.ts';
import { formatCount } from './format.ts';
import { ImageTable } from './image-table.tsx';
import { useHeldRows } from './use-held-rows.ts';

interface OlderImages {
  readonly exists: boolean;
  readonly loading: boolean;
  readonly failed: boolean;
  readonly load: () => void;
}

/** The table, the way to its older part below, and above it the way to what came in while the reader was reading. */
export function HeldRows({ images, older }: { images: readonly Image[]; older: OlderImages }) {
  const { rows, newer } = useHeldRows(images);
  return (
    <>
      {newer > 0 && (
        <button type="button" className="newer-button" onClick={() => window.scrollTo({ top: 0 })}>
          <span aria-hidden="true">↑</span> {formatCount(newer)} newer
        </button>
      )}
      <ImageTable images={rows} />
      {older.exists && (
        <div className="older">
          <button type="button" className="button" onClick={older.load} aria-disabled={older.loading}>
            {older.loading ? 'Loading…' : 'Show older photos'}
          </button>
          {older.failed && <p role="alert">They could not be loaded. Try again.</p>}
        </div>
      )}
    </>
  );
}
