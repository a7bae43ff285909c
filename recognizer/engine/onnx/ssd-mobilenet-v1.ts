import { createGraph, type Graph, type Value } from './graph.ts';
import { channelsOf, clip, convolve, convolveDepthwise, normaliseBatch } from './layers.ts';
import type { Weights } from './weights.ts';

/** Side in pixels of the square that the network sees (ssdMobilenetv1/SsdMobilenetv1.ts). */
export const DETECTOR_SIZE = 512;

/** Layers of MobileNet that halve the size, besides the first (ssdMobilenetv1/mobileNetV1.ts). */
const HALVING = new Set([2, 4, 6, 12]);
const LAST_LAYER = 13;
/** The layer whose output, 32 × 32, the first box predictor sees. */
const LAYER_OF_SMALL_FACES = 11;
/** The network is cut in two after the depthwise half of this layer, where least has to be handed over. */
const LAST_STEM_LAYER = 6;
/** ssdMobilenetv1/mobileNetV1.ts. */
const EPSILON = 0.0010000000474974513;
/** Background, face, and one that face-api does not read. */
const CLASSES = 3;

/** Input pixels for one pixel of the stem's features. */
export const STEM_STRIDE = 16;
/** Height and width of the features of a whole square. */
export const FEATURE_SIZE = DETECTOR_SIZE / STEM_STRIDE;

/**
 * The first half of face-api's SSD MobileNetV1 face detector, for a picture or a part of it.
 *
 * Input `picture`: 1 × 3 × height × width, multiples of 16, RGB, -1..1.
 * Output `features`: 1 × 256 × height/16 × width/16.
 */
export function buildSsdStem(weights: Weights): Uint8Array {
  const graph = createGraph('ssd_mobilenetv1_stem');
  const net: Net = { graph, weights };
  let x = addPointwise(net, graph.addInput('picture', [1, 3, 'height', 'width']), 'MobilenetV1', 0, 2);
  for (let layer = 1; layer < LAST_STEM_LAYER; layer++) {
    x = addPointwise(net, addDepthwise(net, x, layer), 'MobilenetV1', layer);
  }
  return graph.encode([graph.addNode('Identity', 'features', [addDepthwise(net, x, LAST_STEM_LAYER)])]);
}

/**
 * How many input pixels before and after `16 × i` the pixel i of the stem's features sees, in height as in width. All
 * its kernels are 3 × 3; one that halves sees the pixels 2i to 2i + 2, another i - 1 to i + 1.
 */
export function reachOfStem(): { before: number; after: number } {
  let [before, after] = [0, 0];
  for (let layer = LAST_STEM_LAYER; layer >= 0; layer--) {
    const halves = layer === 0 || HALVING.has(layer);
    [before, after] = halves ? [2 * before, 2 * after + 2] : [before + 1, after + 1];
  }
  return { before, after };
}

/**
 * The second half, without the decoding of its boxes (detect-faces.ts).
 *
 * Input `features`: 1 × 256 × 32 × 32. Outputs, a row for each of the 5118 anchors:
 * `logits`, 5118 × 1, of being a face; `encodings`, 5118 × 4, of the box relative to the anchor.
 */
export function buildSsdHead(weights: Weights): Uint8Array {
  const graph = createGraph('ssd_mobilenetv1_head');
  const net: Net = { graph, weights };
  const channels = channelsOf(weights.get(`MobilenetV1/Conv2d_${LAST_STEM_LAYER}_pointwise/weights`), 2);
  let x = graph.addInput('features', [1, channels, FEATURE_SIZE, FEATURE_SIZE]);
  x = addPointwise(net, x, 'MobilenetV1', LAST_STEM_LAYER);
  const seen: Value[] = [];
  for (let layer = LAST_STEM_LAYER + 1; layer <= LAST_LAYER; layer++) {
    x = addPointwise(net, addDepthwise(net, x, layer), 'MobilenetV1', layer);
    if (layer === LAYER_OF_SMALL_FACES) seen.push(x);
  }
  seen.push(x);
  // ssdMobilenetv1/predictionLayer.ts: pairs of layers, each half the size of the one before, down to 1 × 1.
  for (let layer = 0; layer < 8; layer += 2) {
    x = addPointwise(net, x, 'Prediction', layer);
    x = addPointwise(net, x, 'Prediction', layer + 1, 2);
    seen.push(x);
  }
  const encodings = seen.map((value, index) => addPredictor(net, value, index, 'BoxEncodingPredictor', 4));
  const classes = seen.map((value, index) => addPredictor(net, value, index, 'ClassPredictor', CLASSES));
  return graph.encode([
    addFaceColumn(net, graph.addNode('Concat', 'classes', classes, { axis: 0 })),
    graph.addNode('Concat', 'encodings', encodings, { axis: 0 }),
  ]);
}

interface Net {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** ssdMobilenetv1/pointwiseConvLayer.ts; some of these convolutions are 3 × 3 in spite of their name. */
function addPointwise({ graph, weights }: Net, x: Value, part: string, layer: number, stride = 1): Value {
  const name = `${part}/Conv2d_${layer}_pointwise`;
  const bias = `${name}/convolution_bn_offset`;
  return clip(graph, convolve(graph, weights, x, { name, filters: `${name}/weights`, bias, stride }), 0, 6);
}

function addDepthwise({ graph, weights }: Net, x: Value, layer: number): Value {
  const name = `MobilenetV1/Conv2d_${layer}_depthwise`;
  const stride = HALVING.has(layer) ? 2 : 1;
  const convolved = convolveDepthwise(graph, weights, x, { name, filters: `${name}/depthwise_weights`, stride });
  return clip(graph, normaliseBatch(graph, weights, convolved, `${name}/BatchNorm`, EPSILON), 0, 6);
}

/** ssdMobilenetv1/boxPredictionLayer.ts, with its rows in TensorFlow's order: row by row, pixel by pixel, anchor by anchor. */
function addPredictor({ graph, weights }: Net, x: Value, index: number, kind: string, columns: number): Value {
  const name = `Prediction/BoxPredictor_${index}/${kind}`;
  const predicted = convolve(graph, weights, x, { name, filters: `${name}/weights`, bias: `${name}/biases` });
  const channelsLast = graph.addNode('Transpose', `${name}/channels_last`, [predicted], { perm: [0, 2, 3, 1] });
  return graph.addNode('Reshape', `${name}/rows`, [channelsLast, graph.addIntegers(`${name}/shape`, [-1, columns])]);
}

function addFaceColumn({ graph }: Net, classes: Value): Value {
  const [from, to, axis] = [
    graph.addIntegers('face/from', [1]),
    graph.addIntegers('face/to', [2]),
    graph.addIntegers('face/axis', [1]),
  ];
  return graph.addNode('Slice', 'logits', [classes, from, to, axis]);
}
