import { describeError } from './describe-error.ts';
import { LoadingRows } from './loading-rows.tsx';

/** In place of what has not come yet, or could not be loaded. */
export function NotLoaded({ error }: { error: Error | null }) {
  if (error === null) return <LoadingRows />;
  return (
    <p role="alert" className="intro">
      {describeError(error)}
    </p>
  );
}
