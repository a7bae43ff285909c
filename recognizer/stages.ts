/** What a worker does to a photo, in this order; `detect`, `landmarks` and `embed` once more where it is padded. */
export type StageName = 'read' | 'decode' | 'detect' | 'landmarks' | 'embed' | 'judge';

export interface Stage {
  readonly name: StageName;
  /** ms since 1970 */
  readonly startedAt: number;
  readonly ms: number;
}

/** Does the work of a stage, and notes how long it took, also when it throws. */
export type TimeStage = <Result>(name: StageName, work: () => Promise<Result> | Result) => Promise<Result>;

/** Of one photo. Worker threads have no spans and no metrics: what they measure travels with their answer. */
export function createStopwatch(): { readonly stages: readonly Stage[]; readonly time: TimeStage } {
  const stages: Stage[] = [];
  return {
    stages,
    async time(name, work) {
      const startedAt = Date.now();
      const from = performance.now();
      try {
        return await work();
      } finally {
        stages.push({ name, startedAt, ms: performance.now() - from });
      }
    },
  };
}

/** Where nobody wants to know. */
export const untimed: TimeStage = async (_name, work) => work();
