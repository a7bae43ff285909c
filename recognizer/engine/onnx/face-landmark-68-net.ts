import { createGraph, type Graph, type Value } from './graph.ts';
import { connectFully, convolve, convolveDepthwise, relu } from './layers.ts';
import type { Weights } from './weights.ts';

/** Side in pixels of the square that the network sees (faceFeatureExtractor/FaceFeatureExtractor.ts). */
export const CROP_SIZE = 112;

/**
 * face-api's FaceLandmark68Net: four dense blocks of separable convolutions and a fully connected layer.
 *
 * Input `faces`: n × 3 × 112 × 112, RGB, the mean colour subtracted, divided by 255. Output `landmarks`: n × 136, x and
 * y of 68 points in turn, as ratios of the square's side.
 */
export function buildFaceLandmark68Net(weights: Weights): Uint8Array {
  const graph = createGraph('face_landmark_68');
  let x = graph.addInput('faces', ['n', 3, CROP_SIZE, CROP_SIZE]);
  for (const name of ['dense0', 'dense1', 'dense2', 'dense3']) x = addDenseBlock(graph, weights, x, name);
  // Seven pixels are all that is left of 112 after four halvings, so nothing remains to be flattened but channels.
  const pooled = graph.addNode('AveragePool', 'pool', [x], { kernel_shape: [7, 7], strides: [2, 2] });
  const flat = graph.addNode('Flatten', 'flat', [pooled], { axis: 1 });
  return graph.encode([
    connectFully(graph, weights, flat, { name: 'landmarks', weights: 'fc/weights', bias: 'fc/bias' }),
  ]);
}

/** faceFeatureExtractor/denseBlock.ts, `denseBlock4`: every layer sees the sum of all before it; half the size. */
function addDenseBlock(graph: Graph, weights: Weights, x: Value, block: string): Value {
  const out1 = relu(graph, addFirstLayer(graph, weights, x, `${block}/conv0`));
  const out2 = addSeparable(graph, weights, out1, `${block}/conv1`);
  const in3 = addSum(graph, `${block}/in3`, out1, out2);
  const out3 = addSeparable(graph, weights, relu(graph, in3), `${block}/conv2`);
  const in4 = addSum(graph, `${block}/in4`, in3, out3);
  const out4 = addSeparable(graph, weights, relu(graph, in4), `${block}/conv3`);
  return relu(graph, addSum(graph, `${block}/out`, in4, out4));
}

/** An ordinary convolution in the first block, a separable one in the others. */
function addFirstLayer(graph: Graph, weights: Weights, x: Value, name: string): Value {
  if (!weights.has(`${name}/filters`)) return addSeparable(graph, weights, x, name, 2);
  return convolve(graph, weights, x, { name, filters: `${name}/filters`, bias: `${name}/bias`, stride: 2 });
}

/** common/depthwiseSeparableConv.ts. */
function addSeparable(graph: Graph, weights: Weights, x: Value, name: string, stride = 1): Value {
  const depthwise = convolveDepthwise(graph, weights, x, {
    name: `${name}/depthwise`,
    filters: `${name}/depthwise_filter`,
    stride,
  });
  return convolve(graph, weights, depthwise, {
    name: `${name}/pointwise`,
    filters: `${name}/pointwise_filter`,
    bias: `${name}/bias`,
  });
}

function addSum(graph: Graph, name: string, a: Value, b: Value): Value {
  return graph.addNode('Add', name, [a, b]);
}
