import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { createGraph } from './graph.ts';
import { convolve } from './layers.ts';
import { openSession } from './session.ts';
import type { Weight, Weights } from './weights.ts';

function weightsOf(weights: Record<string, Weight>): Weights {
  return {
    has: (name) => name in weights,
    get(name) {
      const weight = weights[name];
      if (weight === undefined) throw new Error(`no ${name}`);
      return weight;
    },
  };
}

test('what was written is what ONNX Runtime reads: names, shapes, numbers of every kind', async () => {
  const graph = createGraph('scale_and_pad');
  const x = graph.addInput('x', ['n', 2]);
  const scaled = graph.addNode('LeakyRelu', 'leaky', [x], { alpha: 0.25 });
  const sum = graph.addNode('Add', 'sum', [scaled, graph.addFloats('offset', [2], Float32Array.of(10, 20))]);
  const model = graph.encode([graph.addNode('Pad', 'padded', [sum, graph.addIntegers('pads', [0, -1, 0, 1])])]);

  const session = await InferenceSession.create(model);
  expect([session.inputNames, session.outputNames]).toEqual([['x'], ['padded']]);
  const { padded = expect.fail() } = await session.run({
    x: new Tensor('float32', Float32Array.of(1, 2, -4, -8), [2, 2]),
  });
  expect(padded.dims).toEqual([2, 2]);
  expect([...(padded.data as Float32Array)]).toEqual([22, 0, 18, 0]);
});

test("'same' padding is TensorFlow's: an odd pixel goes below and right", async () => {
  const graph = createGraph('convolution');
  // 3 × 3 × 1 × 1, so that the sum tells which neighbours were seen.
  const weights = weightsOf({
    filters: { shape: [3, 3, 1, 1], values: Float32Array.of(1, 2, 4, 8, 16, 32, 64, 128, 256) },
  });
  const x = graph.addInput('x', [1, 1, 4, 4]);
  const model = graph.encode([convolve(graph, weights, x, { name: 'out', filters: 'filters', stride: 2 })]);
  const session = await openSession(model);
  const { out } = await session.run(new Float32Array(16).fill(1), [1, 1, 4, 4]);
  // Top left sees a whole 3 × 3; the others lack their last column, their last row, or both.
  expect([...(out ?? [])]).toEqual([511, 511 - 4 - 32 - 256, 511 - 64 - 128 - 256, 1 + 2 + 8 + 16]);
  await session.close();
});
