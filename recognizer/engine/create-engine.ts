import type { Engine } from './engine.ts';
import { createOnnxEngine } from './onnx.ts';
import { createTfjsEngine } from './tfjs.ts';

export const ENGINES = ['onnx', 'tfjs'] as const;
export type EngineName = (typeof ENGINES)[number];

const CREATORS: Record<EngineName, () => Promise<Engine>> = {
  onnx: () => createOnnxEngine(),
  tfjs: () => createTfjsEngine(),
};

/** Loads an engine with its weights: about a second, and it blocks the thread meanwhile. */
export function createEngine(name: EngineName): Promise<Engine> {
  return CREATORS[name]();
}
