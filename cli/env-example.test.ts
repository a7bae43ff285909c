import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig as loadFrontendConfig } from '../frontend/config.ts';
import { loadConfig as loadProcessorConfig } from '../processor/config.ts';
import { loadConfig as loadReceiverConfig } from '../receiver/config.ts';
import { loadConfig as loadRecognizerConfig } from '../recognizer/config.ts';
import { loadConfig as loadMigrationConfig } from '../sql/config.ts';
import { loadLaunchSettings } from './launch-settings.ts';

const loaders = [
  loadReceiverConfig,
  loadProcessorConfig,
  loadRecognizerConfig,
  loadFrontendConfig,
  loadMigrationConfig,
];

const text = readFileSync(new URL('../.env.example', import.meta.url), 'utf8');
const example = Object.fromEntries(
  [...text.matchAll(/^#?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, key, value]) => [key, value]),
);

/** Keys without a default: a service that runs by itself must be given them. */
const required = {
  MYSQL_URL: 'mysql://user:password@127.0.0.1:3306/faceflow',
  NATS_URL: 'nats://127.0.0.1:4222',
  IMAGE_ROOTS: './data/photos',
  KNOWN_PEOPLE: './data/known_people',
  GALLERY_SNAPSHOT: './data/gallery',
  METRICS_PORT: '9464',
  // Its default depends on the machine.
  RECOGNIZER_WORKERS: '2',
};

test('.env.example lists every key that is read, and no other', async () => {
  const keys = new Set<string>();
  const recording = new Proxy<NodeJS.ProcessEnv>(required, {
    get(target, key) {
      keys.add(String(key));
      return Reflect.get(target, key);
    },
  });
  for (const load of loaders) load(recording);
  await loadLaunchSettings(recording);
  expect(Object.keys(example).sort()).toEqual([...keys].sort());
});

test('.env.example states the true defaults', async () => {
  for (const load of loaders) expect(load(example)).toEqual(load(required));
  const { env: _, mysqlUrl: __, natsUrl: ___, ...settings } = await loadLaunchSettings(example);
  expect(settings).toEqual(expect.objectContaining(await launchDefaults()));
});

async function launchDefaults() {
  const { env: _, mysqlUrl: __, natsUrl: ___, receiverUrl: ____, ...settings } = await loadLaunchSettings({});
  return settings;
}
