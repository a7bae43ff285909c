import type { FaceDetection } from '@vladmandic/face-api';
import { untimed } from '../stages.ts';
import { areaOf, clipBox, toRatios } from './boxes.ts';
import {
  DEFAULT_MIN_CONFIDENCE,
  type DescribedFace,
  type DescribeOptions,
  type Engine,
  type EngineOptions,
} from './engine.ts';
import { MODEL, MODEL_FOLDER, TINY_SIZE } from './face-api-models.ts';
import { type Backend, loadBackend, type Picture3D } from './tfjs-backend.ts';

/**
 * face-api's SSD MobileNetV1 detector, 68-point landmarks and ResNet-34 descriptor (dlib's, 128 floats) on
 * TensorFlow.js. Inference blocks the thread that it runs on.
 *
 * @param only the backend wanted, where not just the best will do
 */
export async function createTfjsEngine(options: EngineOptions = {}, only?: Backend['name']): Promise<Engine> {
  const backend = await loadBackend(only);
  const { faceLandmark68Net, faceRecognitionNet } = backend.faceApi.nets;
  for (const net of [faceLandmark68Net, faceRecognitionNet]) await net.loadFromDisk(MODEL_FOLDER);
  const detectFaces = await openDetector(backend, options);

  return {
    model: MODEL,
    backend: backend.name,

    async describeFaces(picture, { mirrored = false, time = untimed } = {}) {
      const tensor = backend.tf.tensor3d(picture.pixels, [picture.height, picture.width, 3], 'int32');
      try {
        const faces: DescribedFace[] = [];
        for (const detection of await time('detect', () => detectFaces(tensor))) {
          const box = clipBox(detection.box, picture);
          const described = box && (await describeFace(backend, tensor, detection, { mirrored, time }));
          if (!box || !described) continue;
          const { landmarks, ...descriptors } = described;
          faces.push({ box, confidence: detection.score, ...descriptors, landmarks: toRatios(landmarks, picture) });
        }
        return faces.sort((a, b) => areaOf(b.box) - areaOf(a.box));
      } finally {
        tensor.dispose();
      }
    },
  };
}

async function openDetector(
  { faceApi }: Backend,
  { detector = 'ssd', minConfidence = DEFAULT_MIN_CONFIDENCE }: EngineOptions,
): Promise<(picture: Picture3D) => Promise<FaceDetection[]>> {
  const { ssdMobilenetv1, tinyFaceDetector } = faceApi.nets;
  if (detector === 'tiny') {
    await tinyFaceDetector.loadFromDisk(MODEL_FOLDER);
    const options = { inputSize: TINY_SIZE, scoreThreshold: minConfidence };
    return (picture) => tinyFaceDetector.locateFaces(picture, new faceApi.TinyFaceDetectorOptions(options));
  }
  await ssdMobilenetv1.loadFromDisk(MODEL_FOLDER);
  return (picture) => ssdMobilenetv1.locateFaces(picture, new faceApi.SsdMobilenetv1Options({ minConfidence }));
}

/**
 * The descriptor and landmarks (in pixels) of one detected face, with the arithmetic of `withFaceLandmarks().withFaceDescriptors()`. Those drop
 * the crops of faces that lie outside the picture and then give the descriptors after it to the wrong faces, so each
 * face is taken by itself here.
 *
 * @returns null when nothing of the aligned face lies inside the picture
 */
async function describeFace(
  { faceApi, tf }: Backend,
  picture: Picture3D,
  detection: FaceDetection,
  { mirrored, time }: Required<DescribeOptions>,
) {
  const landmarks = await time('landmarks', () =>
    withCrop(faceApi, picture, detection, (crop) => faceApi.nets.faceLandmark68Net.detectLandmarks(crop)),
  );
  if (landmarks === null || Array.isArray(landmarks)) return null;
  const shifted = faceApi.extendWithFaceLandmarks(faceApi.extendWithFaceDetection({}, detection), landmarks);
  const aligned = shifted.landmarks.align(null, { useDlibAlignment: true });
  const { faceRecognitionNet } = faceApi.nets;
  const descriptor = await time('embed', () =>
    withCrop(faceApi, picture, aligned, (crop) => faceRecognitionNet.computeFaceDescriptor(crop)),
  );
  if (!(descriptor instanceof Float32Array)) return null;
  const described = { descriptor, landmarks: shifted.landmarks.positions };
  if (!mirrored) return described;
  const reflection = await time('embed', () =>
    withCrop(faceApi, picture, aligned, async (crop) => {
      const flipped = tf.reverse(crop, 1);
      try {
        return await faceRecognitionNet.computeFaceDescriptor(flipped);
      } finally {
        flipped.dispose();
      }
    }),
  );
  return reflection instanceof Float32Array ? { ...described, mirrored: reflection } : described;
}

type Region = Parameters<Backend['faceApi']['extractFaceTensors']>[1][number];
type Crop = Awaited<ReturnType<Backend['faceApi']['extractFaceTensors']>>[number];

async function withCrop<Result>(
  faceApi: Backend['faceApi'],
  picture: Picture3D,
  region: Region,
  work: (crop: Crop) => Promise<Result>,
): Promise<Result | null> {
  const [crop] = await faceApi.extractFaceTensors(picture, [region]);
  if (crop === undefined) return null;
  try {
    return await work(crop);
  } finally {
    crop.dispose();
  }
}
