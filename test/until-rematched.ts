import type { Database, Row } from '../lib/database.ts';
import { readJobState } from '../lib/jobs.ts';
import { waitFor } from './wait-for.ts';

/** Waits until every stored photo has been compared with the gallery as it is now. */
export async function untilRematched(db: Database): Promise<void> {
  await waitFor(
    'the photos to be compared with the gallery as it is',
    async () => {
      const [rows] = await db.query<Row[]>(
        'SELECT revision, (SELECT COUNT(*) FROM images WHERE rematch > 0) AS marked FROM gallery WHERE id = 1',
      );
      const state = (await readJobState(db, 'rematch')) as { doneRevision?: number } | null;
      return state?.doneRevision === rows[0]?.revision && rows[0]?.marked === 0;
    },
    120_000,
  );
}
