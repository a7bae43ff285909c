/** What can be wrong with a face, in the words that other face-recognition services use. */
export const QUALITY_REASONS = [
  'SMALL_BOUNDING_BOX',
  'LOW_SHARPNESS',
  'LOW_BRIGHTNESS',
  'EXTREME_POSE',
  'LOW_CONFIDENCE',
] as const;
export type QualityReason = (typeof QUALITY_REASONS)[number];

/** How well a face can be recognised (docs/adr/0008-quality-of-faces.md). */
export interface FaceQuality {
  /** The shorter side of the box in pixels of the photo as it is stored. */
  readonly pixels: number;
  /** 0 or more; of a face of one size, whatever its size was, so it falls with resolution as with focus. */
  readonly sharpness: number;
  /** Mean luma of the face, 0..1. */
  readonly brightness: number;
  /** Degrees. Positive yaw: the nose points to the right of the picture; pitch: up; roll: the head leans clockwise. */
  readonly yaw: number;
  readonly pitch: number;
  readonly roll: number;
  /** Empty when the face is good. */
  readonly reasons: readonly QualityReason[];
}

/** Reads a JSON column: the driver gives an object on MySQL and text on MariaDB, whose JSON is text. */
export function faceQualityFromColumn(column: unknown): FaceQuality | null {
  const value: unknown = typeof column === 'string' ? JSON.parse(column) : column;
  return (value ?? null) as FaceQuality | null;
}

/** What the column is given: text, which both servers take. */
export function faceQualityToColumn(quality: FaceQuality | null): string | null {
  return quality && JSON.stringify(quality);
}

/**
 * With these a face is taken for somebody else's more often than others are. In the dark, and where the detector is in
 * doubt, a face is only recognised less often, which harms nobody.
 */
const MISLEADING: readonly QualityReason[] = ['SMALL_BOUNDING_BOX', 'LOW_SHARPNESS', 'EXTREME_POSE'];

/** Why a face would make a bad reference, that strangers come near to; empty when nothing speaks against it. */
export function findMisleading(reasons: readonly string[]): QualityReason[] {
  return MISLEADING.filter((reason) => reasons.includes(reason));
}
