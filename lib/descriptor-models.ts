import { DEFAULT_THRESHOLD } from './similarity.ts';

/** Says how alike two faces are in numbers; descriptors of different models are never compared. */
export interface DescriptorModel {
  readonly name: string;
  readonly description: string;
  /** What the mean of both runs is multiplied by; see MIRRORED_THRESHOLD. */
  readonly scale: number;
  /** Whether it is the mean of the aligned crop's descriptor and that of its mirror image; else the former alone. */
  readonly mirrored: boolean;
}

/**
 * The distance between two means that does as DEFAULT_THRESHOLD does between plain descriptors
 * (docs/adr/0022-models.md tells how it was measured).
 */
const MIRRORED_THRESHOLD = 0.525;

/**
 * Every model that this version computes, the first one where nobody says otherwise.
 *
 * They share one scale of distances: what is beyond DEFAULT_THRESHOLD is another person in all of them. So thresholds
 * that people have set, and every other limit, hold whichever of them answers.
 */
export const DESCRIPTOR_MODELS = [
  {
    name: 'face-api-1',
    description: "face-api's FaceRecognitionNet of the aligned face",
    scale: 1,
    mirrored: false,
  },
  {
    name: 'face-api-1-mirrored',
    description: 'the mean of that and of the mirror image of the aligned face, on the same scale of distances',
    scale: DEFAULT_THRESHOLD / MIRRORED_THRESHOLD,
    mirrored: true,
  },
] as const satisfies readonly DescriptorModel[];

export type ModelName = (typeof DESCRIPTOR_MODELS)[number]['name'];

export const DEFAULT_MODEL: ModelName = DESCRIPTOR_MODELS[0].name;

/** Undefined for a model of another version. */
export function findModel(name: string): (DescriptorModel & { readonly name: ModelName }) | undefined {
  return DESCRIPTOR_MODELS.find((model) => model.name === name);
}

/**
 * The descriptor of one model.
 *
 * @param face 128 floats of the network for the aligned face, and, where the model is `mirrored`, for its mirror image
 * @returns 128 floats
 */
export function describeBy(
  model: DescriptorModel,
  face: { readonly descriptor: Float32Array; readonly mirrored?: Float32Array },
): Float32Array {
  const { descriptor, mirrored } = face;
  if (!model.mirrored) return descriptor;
  if (mirrored === undefined) throw new Error(`The model ${model.name} needs the mirror image of the face.`);
  return descriptor.map((value, index) => ((value + (mirrored[index] ?? 0)) / 2) * model.scale);
}
