import { untimed } from '../stages.ts';
import { areaOf, clipBox, toRatios } from './boxes.ts';
import {
  type BoundingBox,
  DEFAULT_MIN_CONFIDENCE,
  type DescribedFace,
  type Engine,
  type EngineOptions,
  type Picture,
} from './engine.ts';
import { MODEL, MODEL_FOLDER } from './face-api-models.ts';
import { alignFace, placeLandmarks } from './onnx/align-face.ts';
import { cropDetection, cropToPicture } from './onnx/crop-face.ts';
import { type Detection, openSsdDetector } from './onnx/detect-faces.ts';
import { openTinyDetector } from './onnx/detect-faces-tiny.ts';
import { buildFaceLandmark68Net, CROP_SIZE } from './onnx/face-landmark-68-net.ts';
import { buildFaceRecognitionNet, FACE_SIZE } from './onnx/face-recognition-net.ts';
import { FACE_MEAN, type InputFormat, type Region } from './onnx/fill-input.ts';
import { runOnRegions } from './onnx/run-on-regions.ts';
import { openSession } from './onnx/session.ts';
import { readWeights } from './onnx/weights.ts';

/** faceFeatureExtractor/FaceFeatureExtractor.ts and faceRecognitionNet/FaceRecognitionNet.ts. */
const LANDMARK_INPUT: InputFormat = { size: CROP_SIZE, centred: true, mean: FACE_MEAN, divisor: 255 };
const DESCRIPTOR_INPUT: InputFormat = { size: FACE_SIZE, centred: true, mean: FACE_MEAN, divisor: 255 };
const MIRRORED_INPUT: InputFormat = { ...DESCRIPTOR_INPUT, mirrored: true };

/** A face on its way: where it was found, and what was cut out of the picture there. */
interface Sighting {
  readonly detection: Detection;
  readonly box: BoundingBox;
  readonly crop: Region;
}

/** The 68 points as ratios of the picture, and what the descriptor is computed of; null when it lies outside. */
interface AlignedFace {
  readonly landmarks: Float32Array;
  readonly region: Region | null;
}

/**
 * face-api's SSD MobileNetV1 detector, 68-point landmarks and ResNet-34 descriptor on ONNX Runtime: the same networks
 * and the same answers as the tfjs engine, several times as fast (docs/adr/0007-onnx-graphs-in-memory.md). Each engine
 * uses one thread, which inference blocks.
 */
export async function createOnnxEngine(options: EngineOptions = {}): Promise<Engine> {
  const detectFaces = await openDetector(options);
  const landmarkNet = await openSession(buildFaceLandmark68Net(await readWeights(MODEL_FOLDER, 'face_landmark_68')));
  const descriptorNet = await openSession(buildFaceRecognitionNet(await readWeights(MODEL_FOLDER, 'face_recognition')));

  async function findAligned(picture: Picture, sightings: readonly Sighting[]): Promise<AlignedFace[]> {
    const crops = sightings.map(({ crop }) => crop);
    const outputs = await runOnRegions(landmarkNet, picture, crops, { format: LANDMARK_INPUT, output: 'landmarks' });
    return sightings.map(({ crop, detection }, index) => {
      const landmarks = placeLandmarks(outputs[index] ?? new Float32Array(), crop, detection);
      return { landmarks: toRatios(landmarks, picture), region: cropToPicture(alignFace(landmarks, crop), picture) };
    });
  }

  return {
    model: MODEL,
    backend: 'onnx',

    async describeFaces(picture, { mirrored = false, time = untimed } = {}) {
      const detections = await time('detect', () => detectFaces(picture));
      const sightings = detections.flatMap((detection) => sight(detection, picture));
      const aligned = await time('landmarks', () => findAligned(picture, sightings));
      const describable = sightings.flatMap((sighting, index) => {
        const { region = null, landmarks } = aligned[index] ?? {};
        return region && landmarks ? [{ ...sighting, region, landmarks }] : [];
      });
      const regions = describable.map(({ region }) => region);
      const describe = (format: InputFormat) =>
        time('embed', () => runOnRegions(descriptorNet, picture, regions, { format, output: 'descriptors' }));
      const descriptors = await describe(DESCRIPTOR_INPUT);
      const reflections = mirrored ? await describe(MIRRORED_INPUT) : [];
      const faces = describable.flatMap(({ box, detection, landmarks }, index): DescribedFace[] => {
        const descriptor = descriptors[index];
        const reflection = reflections[index];
        const described = { box, confidence: detection.score, landmarks, ...(reflection && { mirrored: reflection }) };
        return descriptor ? [{ ...described, descriptor }] : [];
      });
      return faces.sort((a, b) => areaOf(b.box) - areaOf(a.box));
    },
  };
}

async function openDetector({ detector = 'ssd', minConfidence = DEFAULT_MIN_CONFIDENCE }: EngineOptions) {
  if (detector === 'tiny') {
    return openTinyDetector(await readWeights(MODEL_FOLDER, 'tiny_face_detector'), { minConfidence });
  }
  return openSsdDetector(await readWeights(MODEL_FOLDER, 'ssd_mobilenetv1'), { minConfidence });
}

/** Nothing when not one pixel of the face lies in the picture. */
function sight(detection: Detection, picture: Picture): Sighting[] {
  const box = clipBox(detection, picture);
  const crop = cropDetection(detection, picture);
  return box && crop ? [{ detection, box, crop }] : [];
}
