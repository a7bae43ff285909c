import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { decodePhoto } from '../recognizer/decode.ts';
import { MIN_CONFIDENCE, MODEL_FOLDER } from '../recognizer/engine/face-api-models.ts';
import { openSsdDetector } from '../recognizer/engine/onnx/detect-faces.ts';
import { buildFaceLandmark68Net, CROP_SIZE } from '../recognizer/engine/onnx/face-landmark-68-net.ts';
import { buildFaceRecognitionNet, FACE_SIZE } from '../recognizer/engine/onnx/face-recognition-net.ts';
import { FACE_MEAN } from '../recognizer/engine/onnx/fill-input.ts';
import { runOnRegions } from '../recognizer/engine/onnx/run-on-regions.ts';
import { openSession } from '../recognizer/engine/onnx/session.ts';
import { readWeights } from '../recognizer/engine/onnx/weights.ts';
import { createOnnxEngine } from '../recognizer/engine/onnx.ts';
import { type Backend, loadBackend, type Picture3D } from '../recognizer/engine/tfjs-backend.ts';

/** What the benchmark compares: one way to describe a photo, and each of its networks by itself. */
export interface Peer {
  /** From the file to the descriptors. @returns the number of faces */
  describePhoto(path: string): Promise<number>;
  /** Each network on the same photo, its input already decoded: `detector`, `landmarks` and `descriptor` of one face. */
  readonly networks: (path: string) => Promise<Record<'detector' | 'landmarks' | 'descriptor', () => Promise<unknown>>>;
}

/** A part of the photo for the networks that see one face; what it shows does not matter to the time. */
const FACE = { left: 300, top: 300, width: 300, height: 300 };

export async function openPeer(name: string): Promise<Peer> {
  if (name === 'onnx') return openOnnx();
  if (name === 'tfjs-wasm' || name === 'tfjs-node') return openFaceApi(name);
  throw new Error(`There is no engine ${name} to measure.`);
}

async function openOnnx(): Promise<Peer> {
  const engine = await createOnnxEngine();
  return {
    async describePhoto(path) {
      const { picture } = await decodePhoto(await readFile(path));
      return (await engine.describeFaces(picture)).length;
    },
    async networks(path) {
      const { picture } = await decodePhoto(await readFile(path));
      const weights = (network: string) => readWeights(MODEL_FOLDER, network);
      const detect = await openSsdDetector(await weights('ssd_mobilenetv1'), { minConfidence: MIN_CONFIDENCE });
      const landmarkNet = await openSession(buildFaceLandmark68Net(await weights('face_landmark_68')));
      const descriptorNet = await openSession(buildFaceRecognitionNet(await weights('face_recognition')));
      const format = { centred: true, mean: FACE_MEAN, divisor: 255 };
      return {
        detector: () => detect(picture),
        landmarks: () =>
          runOnRegions(landmarkNet, picture, [FACE], { format: { ...format, size: CROP_SIZE }, output: 'landmarks' }),
        descriptor: () =>
          runOnRegions(descriptorNet, picture, [FACE], {
            format: { ...format, size: FACE_SIZE },
            output: 'descriptors',
          }),
      };
    },
  };
}

/** face-api as its documentation shows it, with the pictures read by sharp as it comes. */
async function openFaceApi(name: Backend['name']): Promise<Peer> {
  const { tf, faceApi } = await loadBackend(name);
  const { ssdMobilenetv1, faceLandmark68Net, faceRecognitionNet } = faceApi.nets;
  for (const net of [ssdMobilenetv1, faceLandmark68Net, faceRecognitionNet]) await net.loadFromDisk(MODEL_FOLDER);
  const options = new faceApi.SsdMobilenetv1Options({ minConfidence: MIN_CONFIDENCE });

  async function readPicture(path: string, region?: typeof FACE): Promise<Picture3D> {
    const photo = region ? sharp(path).extract(region) : sharp(path);
    const { data, info } = await photo.removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return tf.tensor3d(data, [info.height, info.width, 3], 'int32');
  }

  return {
    async describePhoto(path) {
      const picture = await readPicture(path);
      const input = picture as unknown as Parameters<typeof faceApi.detectAllFaces>[0];
      const faces = await faceApi.detectAllFaces(input, options).withFaceLandmarks().withFaceDescriptors();
      picture.dispose();
      return faces.length;
    },
    async networks(path) {
      const picture = await readPicture(path);
      const face = await readPicture(path, FACE);
      return {
        detector: () => ssdMobilenetv1.locateFaces(picture, options),
        landmarks: () => faceLandmark68Net.detectLandmarks(face),
        descriptor: () => faceRecognitionNet.computeFaceDescriptor(face),
      };
    },
  };
}
