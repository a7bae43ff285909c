import { DEFAULT_MIN_CONFIDENCE, type Engine, type EngineOptions } from './engine.ts';
import { createTfjsEngine } from './tfjs.ts';

export const ENGINES = ['tfjs'] as const;
export type EngineName = (typeof ENGINES)[number];

const CREATORS: Record<EngineName, (options: EngineOptions) => Promise<Engine>> = { tfjs: createTfjsEngine };

/** Loads an engine with its weights: about a second, and it blocks the thread meanwhile. */
export function createEngine(
  name: EngineName,
  options: EngineOptions = { minConfidence: DEFAULT_MIN_CONFIDENCE },
): Promise<Engine> {
  return CREATORS[name](options);
}
