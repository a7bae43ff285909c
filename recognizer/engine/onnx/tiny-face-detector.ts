import { createGraph, type Graph, type Value } from './graph.ts';
import { convolve, convolveDepthwise, leakyRelu } from './layers.ts';
import type { Weights } from './weights.ts';

/** Side in pixels of the square that the network sees; any multiple of 32, face-api's default (TinyYolov2Options.ts). */
export const TINY_SIZE = 416;
/** The input is halved five times; each cell of what remains predicts one box an anchor. */
export const TINY_CELLS = TINY_SIZE / 32;

/** tinyYolov2/leaky.ts. */
const LEAK = 0.10000000149011612;
const SEPARABLE_LAYERS = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'];

/**
 * face-api's TinyFaceDetector, without the decoding of its boxes (detect-faces-tiny.ts).
 *
 * Input `picture`: 1 × 3 × 416 × 416, RGB, the mean colour subtracted, divided by 255. Output `boxes`: 13 × 13 cells ×
 * 25, for each of five anchors x, y, width, height and the logit of being a face.
 */
export function buildTinyFaceDetector(weights: Weights): Uint8Array {
  const graph = createGraph('tiny_face_detector');
  const picture = graph.addInput('picture', [1, 3, TINY_SIZE, TINY_SIZE]);
  // tinyYolov2/TinyYolov2Base.ts, `runMobilenet`; the first layer has no padding, whereby its size becomes 414.
  const first = convolve(graph, weights, picture, {
    name: 'conv0',
    filters: 'conv0/filters',
    bias: 'conv0/bias',
    padding: 'valid',
  });
  let x = addPool(graph, leakyRelu(graph, first, LEAK), 2);
  for (const layer of SEPARABLE_LAYERS) {
    x = addPool(graph, addSeparable(graph, weights, x, layer), layer === SEPARABLE_LAYERS.at(-1) ? 1 : 2);
  }
  const boxes = convolve(graph, weights, x, { name: 'conv8', filters: 'conv8/filters', bias: 'conv8/bias' });
  return graph.encode([graph.addNode('Transpose', 'boxes', [boxes], { perm: [0, 2, 3, 1] })]);
}

/** tinyYolov2/depthwiseSeparableConv.ts. */
function addSeparable(graph: Graph, weights: Weights, x: Value, name: string): Value {
  const depthwise = convolveDepthwise(graph, weights, x, {
    name: `${name}/depthwise`,
    filters: `${name}/depthwise_filter`,
  });
  const pointwise = convolve(graph, weights, depthwise, {
    name: `${name}/pointwise`,
    filters: `${name}/pointwise_filter`,
    bias: `${name}/bias`,
  });
  return leakyRelu(graph, pointwise, LEAK);
}

function addPool(graph: Graph, x: Value, stride: number): Value {
  return graph.addNode('MaxPool', `${x}/pool`, [x], {
    kernel_shape: [2, 2],
    strides: [stride, stride],
    auto_pad: 'SAME_UPPER',
  });
}
