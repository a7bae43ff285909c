import { DEFAULT_MODEL, DESCRIPTOR_MODELS, findModel, type ModelName } from '../lib/descriptor-models.ts';
import type { Log } from '../lib/log.ts';
import type { ModelGallery } from './open-gallery.ts';
import { repeat } from './repeat.ts';

/** Which model is to answer (null: nobody has said), and of which there are to be galleries besides. */
export type ReadModels = () => Promise<{ readonly active: string | null; readonly wanted: readonly string[] }>;

export interface ModelsKeeper {
  /** What photos are described and named by now. @throws before `loaded` has settled */
  readonly active: ModelGallery;
  /** Settles when there is a gallery to answer by. */
  readonly loaded: Promise<void>;
  /** The gallery of a model; undefined where there is none here. */
  find(model: string): ModelGallery | undefined;
  close(): Promise<void>;
}

/**
 * Keeps a gallery for each model that is wanted, side by side, and answers by the one that the database says, from the
 * moment on that everybody is in it; until then by the one before. Of a model that it does not know it has no gallery:
 * it goes on answering by its own.
 *
 * @param options.read null without a database
 * @param options.pinned the only model that it is to know; null: whichever the database says
 */
export function keepModels(options: {
  read: ReadModels | null;
  pinned: ModelName | null;
  open: (model: ModelName) => Promise<ModelGallery>;
  /** Called for models of which there is no gallery, when it starts. */
  forget: (model: ModelName) => Promise<void>;
  pollMs: number;
  log: Log;
}): ModelsKeeper {
  const { pinned, open, log, pollMs } = options;
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
  const galleries = new Map<ModelName, ModelGallery>();
  let active: ModelGallery | null = null;

  const openAs = async (model: ModelName) => {
    const known = galleries.get(model);
    if (known !== undefined) return known;
    const gallery = await open(model);
    galleries.set(model, gallery);
    gallery.loaded.catch(async (error) => {
      log.error({ err: error, model }, 'a gallery cannot be loaded, and is opened anew');
      galleries.delete(model);
      await gallery.close(true);
    });
    return gallery;
  };

  const begin = async (model: ModelName, wanted: ReadonlySet<ModelName>) => {
    for (const { name } of DESCRIPTOR_MODELS) if (!wanted.has(name)) await options.forget(name);
    const first = await openAs(model);
    // A database that is away may keep it waiting for ever.
    await Promise.race([first.loaded, stopped]);
    stop.signal.throwIfAborted();
    active = first;
  };

  const follow = async () => {
    const started = Date.now();
    const asked = pinned === null && options.read ? await options.read() : { active: pinned, wanted: [] };
    const lookingMs = Date.now() - started;
    const next = known(asked.active) ?? active?.model ?? DEFAULT_MODEL;
    const wanted = new Set([next, ...asked.wanted.flatMap((name) => known(name) ?? [])]);
    if (active === null) await begin(next, wanted);
    for (const model of wanted) await openAs(model);
    const gallery = galleries.get(next);
    if (gallery?.isLoaded && gallery !== active) {
      // What it is asked from now on knows everything up to the moment of the switch.
      await gallery.refresh();
      log.info({ from: active?.model, model: next }, 'photos are described by another model from now on');
      active = gallery;
    }
    for (const [model, unwanted] of galleries) {
      if (wanted.has(model) || unwanted === active) continue;
      galleries.delete(model);
      await unwanted.close(true);
    }
    return lookingMs;
  };

  const following = repeat(follow, {
    ...{ pollMs, log, signal: stop.signal },
    failure: 'which model is to be used cannot be read: the one before stays',
  });
  return {
    get active() {
      if (active === null) throw new Error('No gallery has been loaded yet.');
      return active;
    },
    loaded: following.once,
    find: (model) => galleries.get(model as ModelName),
    async close() {
      stop.abort();
      await Promise.all([...galleries.values()].map((gallery) => gallery.close()));
      await following.ended;
      await Promise.all([...galleries.values()].map((gallery) => gallery.close()));
    },
  };

  function known(name: string | null): ModelName | null {
    const model = name === null ? undefined : findModel(name);
    return model === undefined || (pinned !== null && model.name !== pinned) ? null : model.name;
  }
}
