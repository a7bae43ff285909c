import { Gauge } from 'prom-client';
import { DESCRIPTOR_MODELS } from '../lib/descriptor-models.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { ModelsKeeper } from './keep-models.ts';
import type { ModelGallery } from './open-gallery.ts';

/** Tells of each gallery that is loaded how large and how new it is. */
export function measureGalleries(metrics: Metrics, models: Pick<ModelsKeeper, 'find' | 'active'>): void {
  const tell = (name: string, help: string, read: (own: ModelGallery) => number) =>
    new Gauge({
      ...{ name, help, labelNames: ['model'], registers: [metrics] },
      collect() {
        this.reset();
        for (const { name: model } of DESCRIPTOR_MODELS) {
          const own = models.find(model);
          if (own?.isLoaded) this.set({ model }, read(own));
        }
      },
    });
  tell('faceflow_gallery_faces', 'Known faces that photos are compared with.', ({ gallery }) => gallery.size);
  tell(
    'faceflow_gallery_revision',
    "The revision of the database's gallery that this recognizer knows all changes up to.",
    ({ gallery }) => gallery.revision,
  );
  tell(
    'faceflow_gallery_read_timestamp_seconds',
    'When this recognizer last looked into the database for changes of the gallery, and could.',
    ({ readAt }) => (readAt?.getTime() ?? 0) / 1_000,
  );
  tell('faceflow_gallery_active', 'Whether photos are described and named by this model: 1 or 0.', (own) =>
    own === models.active ? 1 : 0,
  );
}
