import type { DescribedTree } from './describe-tree.ts';
import type { Accuracy } from './measure.ts';
import type { ProtocolResult } from './run-protocol.ts';

/** Everything that one run has found out. */
export interface Evaluation {
  readonly folder: string;
  /** What it was asked about: a threshold (distance), and a wanted FAR (0..1). */
  readonly threshold: number;
  readonly far: number;
  readonly tree: DescribedTree;
  readonly accuracy: Accuracy;
  readonly protocol: ProtocolResult | null;
}
