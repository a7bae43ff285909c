/** How many people are kept of those who are near to a face. */
export const MAX_CANDIDATES = 5;

/** A person that a face might be of, each once, with the known photo that is nearest. */
export interface StoredCandidate {
  readonly personId: number;
  readonly personImageId: number;
  /** Euclidean, at most CANDIDATE_LIMIT. */
  readonly distance: number;
}

/** Reads a JSON column: the driver gives an object on MySQL, and text on MariaDB, whose JSON is text. */
export function storedCandidatesFrom(column: unknown): StoredCandidate[] | null {
  const value: unknown = typeof column === 'string' ? JSON.parse(column) : column;
  return (value ?? null) as StoredCandidate[] | null;
}

/** The inverse of `storedCandidatesFrom`: text, which both servers take. */
export function storedCandidatesToColumn(candidates: readonly StoredCandidate[] | null): string | null {
  const kept = candidates
    ?.slice(0, MAX_CANDIDATES)
    .map(({ personId, personImageId, distance }) => ({ personId, personImageId, distance }));
  return kept === undefined ? null : JSON.stringify(kept);
}
