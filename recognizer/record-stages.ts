import { isRecorded, startSpan } from '../lib/spans.ts';
import type { Stage } from './stages.ts';

/** Makes what a worker has measured the children of what is being done. */
export function recordStages(stages: readonly Stage[]): void {
  if (!isRecorded()) return;
  for (const { name, startedAt, ms } of stages) startSpan(name, { startTime: startedAt }).end(startedAt + ms);
}
