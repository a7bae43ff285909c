import { createGraph, type Graph, type Value } from './graph.ts';
import { channelsOf, connectFully, convolve, type Padding, relu, scaleChannels } from './layers.ts';
import type { Weights } from './weights.ts';

/** Side in pixels of the square that the network sees (faceRecognitionNet/FaceRecognitionNet.ts). */
export const FACE_SIZE = 150;

/** An activation with what the shapes of the next layer depend on. */
interface Features {
  readonly value: Value;
  readonly channels: number;
  /** Height and width. */
  readonly size: number;
}

/**
 * face-api's FaceRecognitionNet, a ResNet-34 with the weights of dlib's `dlib_face_recognition_resnet_model_v1`.
 *
 * Input `faces`: n × 3 × 150 × 150, RGB, the mean colour subtracted, divided by 255. Output `descriptors`: n × 128.
 */
export function buildFaceRecognitionNet(weights: Weights): Uint8Array {
  const graph = createGraph('face_recognition');
  const net = { graph, weights };
  const faces = { value: graph.addInput('faces', ['n', 3, FACE_SIZE, FACE_SIZE]), channels: 3, size: FACE_SIZE };

  let x = addConvolution(net, faces, { name: 'conv32_down', stride: 2, padding: 'valid', relu: true });
  x = addPool(net, x, 'MaxPool', { name: 'pool', kernel: 3 });
  for (const name of ['conv32_1', 'conv32_2', 'conv32_3']) x = addResidual(net, x, name);
  x = addResidualDown(net, x, 'conv64_down');
  for (const name of ['conv64_1', 'conv64_2', 'conv64_3']) x = addResidual(net, x, name);
  x = addResidualDown(net, x, 'conv128_down');
  for (const name of ['conv128_1', 'conv128_2']) x = addResidual(net, x, name);
  x = addResidualDown(net, x, 'conv256_down');
  for (const name of ['conv256_1', 'conv256_2']) x = addResidual(net, x, name);
  x = addResidualDown(net, x, 'conv256_down_out');

  const mean = graph.addNode('ReduceMean', 'mean', [x.value], { axes: [2, 3], keepdims: 0 });
  return graph.encode([connectFully(graph, weights, mean, { name: 'descriptors', weights: 'fc' })]);
}

interface Net {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** faceRecognitionNet/convLayer.ts: convolution, then a learnt scale and offset for each channel. */
function addConvolution(
  { graph, weights }: Net,
  x: Features,
  options: { name: string; stride?: number; padding?: Padding; relu: boolean },
): Features {
  const { name, stride = 1, padding = 'same' } = options;
  const filters = weights.get(`${name}/conv/filters`);
  const convolved = convolve(graph, weights, x.value, {
    name,
    filters: `${name}/conv/filters`,
    bias: `${name}/conv/bias`,
    stride,
    padding,
  });
  const value = scaleChannels(graph, weights, convolved, {
    name,
    scale: `${name}/scale/weights`,
    offset: `${name}/scale/biases`,
  });
  return {
    value: options.relu ? relu(graph, value) : value,
    channels: channelsOf(filters, 3),
    size: padding === 'same' ? Math.ceil(x.size / stride) : validSize(x.size, channelsOf(filters, 0), stride),
  };
}

/** faceRecognitionNet/residualLayer.ts, `residual`. */
function addResidual(net: Net, x: Features, name: string): Features {
  const inner = addConvolution(net, x, { name: `${name}/conv1`, relu: true });
  const out = addConvolution(net, inner, { name: `${name}/conv2`, relu: false });
  return addSum(net, name, x, out);
}

/**
 * faceRecognitionNet/residualLayer.ts, `residualDown`: half the size. Where the two ways differ in size, the
 * convolved one gets a row of zeros below and a column on the right; where they differ in channels, the pooled one
 * gets channels of zeros.
 */
function addResidualDown(net: Net, x: Features, name: string): Features {
  const inner = addConvolution(net, x, { name: `${name}/conv1`, stride: 2, padding: 'valid', relu: true });
  const out = addConvolution(net, inner, { name: `${name}/conv2`, relu: false });
  const pooled = addPool(net, x, 'AveragePool', { name: `${name}/pool`, kernel: 2 });
  const shape = { channels: Math.max(out.channels, pooled.channels), size: Math.max(out.size, pooled.size) };
  return addSum(net, name, addZeros(net, pooled, shape), addZeros(net, out, shape));
}

function addSum({ graph }: Net, name: string, a: Features, b: Features): Features {
  return { ...a, value: relu(graph, graph.addNode('Add', `${name}/sum`, [a.value, b.value])) };
}

function addPool({ graph }: Net, x: Features, operator: string, options: { name: string; kernel: number }): Features {
  const { name, kernel } = options;
  const value = graph.addNode(operator, name, [x.value], { kernel_shape: [kernel, kernel], strides: [2, 2] });
  return { value, channels: x.channels, size: validSize(x.size, kernel, 2) };
}

/**
 * Zeros behind the channels, below and on the right, up to the shape wanted. Written as a convolution that copies, because
 * ONNX Runtime knows no Pad in its blocked layout: it would turn the values to the plain one and back, and compute the
 * sums of all the blocks that follow apart from their convolutions.
 */
function addZeros({ graph }: Net, x: Features, { channels, size }: Omit<Features, 'value'>): Features {
  if (x.channels === channels && x.size === size) return x;
  const name = `${x.value}/padded`;
  const group = x.channels === channels ? channels : 1;
  const inputs = x.channels / group;
  const copies = new Float32Array(channels * inputs);
  for (let channel = 0; channel < x.channels; channel++) copies[channel * inputs + (channel % inputs)] = 1;
  const filters = graph.addFloats(`${name}/filters`, [channels, inputs, 1, 1], copies);
  const missing = size - x.size;
  const pads = [0, 0, missing, missing];
  const value = graph.addNode('Conv', name, [x.value, filters], { kernel_shape: [1, 1], pads, group });
  return { value, channels, size };
}

function validSize(size: number, kernel: number, stride: number): number {
  return Math.floor((size - kernel) / stride) + 1;
}
