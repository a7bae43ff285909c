import type { FaceDetection } from '@vladmandic/face-api';
import { areaOf, clipBox } from './boxes.ts';
import type { DescribedFace, Engine } from './engine.ts';
import { MIN_CONFIDENCE, MODEL, MODEL_FOLDER } from './face-api-models.ts';
import { type Backend, loadBackend, type Picture3D } from './tfjs-backend.ts';

/**
 * face-api's SSD MobileNetV1 detector, 68-point landmarks and ResNet-34 descriptor (dlib's, 128 floats) on
 * TensorFlow.js. Inference blocks the thread that it runs on.
 *
 * @param only the backend wanted, where not just the best will do
 */
export async function createTfjsEngine(only?: Backend['name']): Promise<Engine> {
  const backend = await loadBackend(only);
  const { ssdMobilenetv1, faceLandmark68Net, faceRecognitionNet } = backend.faceApi.nets;
  for (const net of [ssdMobilenetv1, faceLandmark68Net, faceRecognitionNet]) await net.loadFromDisk(MODEL_FOLDER);

  return {
    model: MODEL,
    backend: backend.name,

    async describeFaces(picture) {
      const tensor = backend.tf.tensor3d(picture.pixels, [picture.height, picture.width, 3], 'int32');
      try {
        const faces: DescribedFace[] = [];
        for (const detection of await detectFaces(backend, tensor)) {
          const box = clipBox(detection.box, picture);
          const descriptor = box && (await describeFace(backend, tensor, detection));
          if (box && descriptor) faces.push({ box, confidence: detection.score, descriptor });
        }
        return faces.sort((a, b) => areaOf(b.box) - areaOf(a.box));
      } finally {
        tensor.dispose();
      }
    },
  };
}

function detectFaces({ faceApi }: Backend, picture: Picture3D): Promise<FaceDetection[]> {
  return faceApi.nets.ssdMobilenetv1.locateFaces(
    picture,
    new faceApi.SsdMobilenetv1Options({ minConfidence: MIN_CONFIDENCE }),
  );
}

/**
 * The descriptor of one detected face, with the arithmetic of `withFaceLandmarks().withFaceDescriptors()`. Those drop
 * the crops of faces that lie outside the picture and then give the descriptors after it to the wrong faces, so each
 * face is taken by itself here.
 *
 * @returns null when nothing of the aligned face lies inside the picture
 */
async function describeFace({ faceApi }: Backend, picture: Picture3D, detection: FaceDetection) {
  const landmarks = await withCrop(faceApi, picture, detection, (crop) =>
    faceApi.nets.faceLandmark68Net.detectLandmarks(crop),
  );
  if (landmarks === null || Array.isArray(landmarks)) return null;
  const shifted = faceApi.extendWithFaceLandmarks(faceApi.extendWithFaceDetection({}, detection), landmarks);
  const aligned = shifted.landmarks.align(null, { useDlibAlignment: true });
  const descriptor = await withCrop(faceApi, picture, aligned, (crop) =>
    faceApi.nets.faceRecognitionNet.computeFaceDescriptor(crop),
  );
  return descriptor instanceof Float32Array ? descriptor : null;
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
