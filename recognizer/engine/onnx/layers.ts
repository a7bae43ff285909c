import type { Graph, Value } from './graph.ts';
import type { Weight, Weights } from './weights.ts';

// TensorFlow's layers as ONNX nodes. Activations are batch × channels × height × width. Filters stay in the graph as
// face-api stores them (height × width × in × out) and are turned by Transpose nodes; biases, scales and normalisations
// are nodes of their own. ONNX Runtime folds all that into the convolutions when it opens the model.

/** height × width × in × out to ONNX's out × in × height × width. */
const FILTER_ORDER = [3, 2, 0, 1];
/** height × width × channels × 1 to channels × 1 × height × width. */
const DEPTHWISE_FILTER_ORDER = [2, 3, 0, 1];

/** `same` is TensorFlow's: the output has `ceil(size / stride)`, an odd pixel of padding goes below and right. */
export type Padding = 'same' | 'valid';

export interface ConvolutionOptions {
  readonly name: string;
  readonly filters: string;
  readonly bias?: string;
  readonly stride?: number;
  readonly padding?: Padding;
}

export function convolve(graph: Graph, weights: Weights, x: Value, options: ConvolutionOptions): Value {
  const filters = weights.get(options.filters);
  return addConvolution(graph, x, options, {
    filters: addTransposed(graph, options.filters, filters, FILTER_ORDER),
    bias: options.bias === undefined ? [] : [addFlat(graph, options.bias, weights.get(options.bias))],
    kernel: filters.shape.slice(0, 2),
    group: 1,
  });
}

/** A convolution of each channel with a filter of its own. */
export function convolveDepthwise(graph: Graph, weights: Weights, x: Value, options: ConvolutionOptions): Value {
  const filters = weights.get(options.filters);
  return addConvolution(graph, x, options, {
    filters: addTransposed(graph, options.filters, filters, DEPTHWISE_FILTER_ORDER),
    bias: options.bias === undefined ? [] : [addFlat(graph, options.bias, weights.get(options.bias))],
    kernel: filters.shape.slice(0, 2),
    group: channelsOf(filters, 2),
  });
}

function addConvolution(
  graph: Graph,
  x: Value,
  { name, stride = 1, padding = 'same' }: ConvolutionOptions,
  parts: { filters: Value; bias: Value[]; kernel: readonly number[]; group: number },
): Value {
  return graph.addNode('Conv', name, [x, parts.filters, ...parts.bias], {
    kernel_shape: parts.kernel,
    strides: [stride, stride],
    auto_pad: padding === 'same' ? 'SAME_UPPER' : 'VALID',
    group: parts.group,
  });
}

/** `x * scale + offset`, each with one value a channel. */
export function scaleChannels(
  graph: Graph,
  weights: Weights,
  x: Value,
  { name, scale, offset }: { name: string; scale: string; offset: string },
): Value {
  const scaled = graph.addNode('Mul', `${name}/scaled`, [x, addPerChannel(graph, scale, weights.get(scale))]);
  return graph.addNode('Add', `${name}/offset`, [scaled, addPerChannel(graph, offset, weights.get(offset))]);
}

/** Batch normalisation as TensorFlow saves it: gamma, beta, moving mean and moving variance below one name. */
export function normaliseBatch(graph: Graph, weights: Weights, x: Value, name: string, epsilon: number): Value {
  const parts = ['gamma', 'beta', 'moving_mean', 'moving_variance'].map((part) => `${name}/${part}`);
  const values = parts.map((part) => addFlat(graph, part, weights.get(part)));
  return graph.addNode('BatchNormalization', name, [x, ...values], { epsilon });
}

export function clip(graph: Graph, x: Value, min: number, max: number): Value {
  const bounds = [min, max].map((bound) => graph.addFloats(`${x}/clip_${bound}`, [], Float32Array.of(bound)));
  return graph.addNode('Clip', `${x}/clip`, [x, ...bounds]);
}

export function relu(graph: Graph, x: Value): Value {
  return graph.addNode('Relu', `${x}/relu`, [x]);
}

/** x where it is positive, and a part of it where it is not. */
export function leakyRelu(graph: Graph, x: Value, leak: number): Value {
  return graph.addNode('LeakyRelu', `${x}/leaky`, [x], { alpha: leak });
}

/** `x · weights (+ bias)`, for x of batch × in and weights of in × out. */
export function connectFully(
  graph: Graph,
  weights: Weights,
  x: Value,
  options: { name: string; weights: string; bias?: string },
): Value {
  const matrix = addFlat(graph, options.weights, weights.get(options.weights));
  const bias = options.bias === undefined ? [] : [addFlat(graph, options.bias, weights.get(options.bias))];
  return graph.addNode('Gemm', options.name, [x, matrix, ...bias]);
}

/** The number of channels, which is the size of a dimension of the filters. */
export function channelsOf({ shape }: Weight, dimension: number): number {
  const channels = shape[dimension];
  if (channels === undefined) throw new Error(`A weight of shape ${shape} has no dimension ${dimension}.`);
  return channels;
}

function addTransposed(graph: Graph, name: string, { shape, values }: Weight, order: readonly number[]): Value {
  return graph.addNode('Transpose', `${name}/onnx`, [graph.addFloats(name, shape, values)], { perm: order });
}

function addFlat(graph: Graph, name: string, { shape, values }: Weight): Value {
  return graph.addFloats(name, shape, values);
}

/** One value a channel, shaped to be spread over height and width. */
function addPerChannel(graph: Graph, name: string, { shape, values }: Weight): Value {
  return graph.addFloats(name, [...shape, 1, 1], values);
}
