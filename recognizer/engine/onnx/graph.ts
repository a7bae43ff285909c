import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from './onnx.ts';

/** https://onnx.ai/onnx/operators/: the operators mean what version 17 of the standard says. */
const OPSET_VERSION = 17;
/** The file format that came with it. */
const IR_VERSION = 8;
/** `TensorProto.DataType` of onnx.proto3. */
const FLOAT = 1;
const INT64 = 7;

/** A tensor of the graph, by its name. */
export type Value = string;
/** A whole number is ONNX's INT, one with a fraction its FLOAT, a list of numbers its INTS. */
export type Attributes = Record<string, number | readonly number[] | string>;

/** Collects the nodes of one ONNX graph; every layer of layers.ts adds its own. */
export interface Graph {
  /** Declares an input of floats; a dimension that is a word may have any size. */
  addInput(name: string, shape: readonly (number | string)[]): Value;
  addFloats(name: string, shape: readonly number[], values: Float32Array): Value;
  addIntegers(name: string, values: readonly number[]): Value;
  /** Adds a node with one output, which takes the node's name. */
  addNode(operator: string, name: string, inputs: readonly Value[], attributes?: Attributes): Value;
  /** The finished model in ONNX's file format. The outputs keep their names. */
  encode(outputs: readonly Value[]): Uint8Array;
}

export function createGraph(name: string): Graph {
  const node: NodeProto[] = [];
  const initializer: TensorProto[] = [];
  const input: ValueInfoProto[] = [];

  return {
    addInput(name, shape) {
      const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
      input.push({ name, type: { tensorType: { elemType: FLOAT, shape: { dim } } } });
      return name;
    },

    addFloats(name, shape, values) {
      initializer.push({ name, dims: [...shape], dataType: FLOAT, rawData: bytesOf(values) });
      return name;
    },

    addIntegers(name, values) {
      const rawData = bytesOf(BigInt64Array.from(values, BigInt));
      initializer.push({ name, dims: [values.length], dataType: INT64, rawData });
      return name;
    },

    addNode(operator, name, inputs, attributes = {}) {
      const attribute = Object.entries(attributes).map(([key, value]) => encodeAttribute(key, value));
      node.push({ opType: operator, name, input: [...inputs], output: [name], attribute });
      return name;
    },

    encode(outputs) {
      const output = outputs.map((name) => ({ name, type: { tensorType: { elemType: FLOAT } } }));
      const model = {
        irVersion: IR_VERSION,
        producerName: 'faceflow',
        opsetImport: [{ domain: '', version: OPSET_VERSION }],
        graph: { name, node, input, output },
      };
      // Readers of Protocol Buffers join the parts of a message. Each tensor is a part of its own, because every level of
      // nesting copies what is in it, and copies of 20 MB cost a tenth of the start.
      const parts = [model, ...initializer.map((tensor) => ({ graph: { initializer: [tensor] } }))];
      return Buffer.concat(parts.map((part) => ModelProto.encode(part).finish()));
    },
  };
}

function encodeAttribute(name: string, value: Attributes[string]): AttributeProto {
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  if (typeof value !== 'number') return { name, type: AttributeType.INTS, ints: [...value] };
  if (Number.isInteger(value)) return { name, type: AttributeType.INT, i: value };
  return { name, type: AttributeType.FLOAT, f: value };
}

/** Raw tensor data is little-endian, as every machine that ONNX Runtime is built for. */
function bytesOf(values: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
