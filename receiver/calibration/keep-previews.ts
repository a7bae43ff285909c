import { type Preview, type PreviewOptions, type PreviewRequest, previewThreshold } from './preview-threshold.ts';

/** Its pages belong together so long. */
const KEEP_MS = 60_000;
const KEEP = 4;

/** Looks for what a threshold would change once, however many ask, and however many pages they read. */
export function keepPreviews(options: PreviewOptions): (request: PreviewRequest) => Promise<Preview> {
  const kept = new Map<string, { since: number; preview: Promise<Preview> }>();
  return (request) => {
    const key = JSON.stringify(request);
    const known = kept.get(key);
    if (known !== undefined && Date.now() - known.since < KEEP_MS) return known.preview;
    const preview = previewThreshold(options, request);
    const own = { since: Date.now(), preview };
    kept.delete(key);
    kept.set(key, own);
    for (const oldest of [...kept.keys()].slice(0, -KEEP)) kept.delete(oldest);
    preview.catch(() => {
      if (kept.get(key) === own) kept.delete(key);
    });
    return preview;
  };
}
