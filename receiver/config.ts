import { databaseKeys } from '../lib/database.ts';
import { commonKeys, folder, folders, listenerKeys, port, readEnv } from '../lib/env.ts';
import { eventKeys } from '../lib/events.ts';
import { imageLimitKeys } from '../lib/image-file.ts';
import { queueKeys } from '../lib/image-queue.ts';
import { photoSourceKeys } from '../lib/photo-sources.ts';
import { recognizerKeys } from '../lib/recognizer-channel.ts';
import { jobKeys } from '../lib/run-jobs.ts';
import { tracingKeys } from '../lib/tracing.ts';
import { accessKeys, toAccessSettings } from './access/settings.ts';
import { toWebhookSettings, webhookKeys } from './webhooks/settings.ts';

export type Config = ReturnType<typeof loadConfig>;

/** @throws ConfigError that lists every bad key */
export function loadConfig(environment: NodeJS.ProcessEnv) {
  const config = readEnv(environment, {
    ...commonKeys,
    ...tracingKeys,
    ...accessKeys,
    ...listenerKeys,
    ...queueKeys,
    ...eventKeys,
    ...imageLimitKeys,
    ...photoSourceKeys,
    ...recognizerKeys,
    ...databaseKeys,
    ...jobKeys,
    ...webhookKeys,
    RECEIVER_PORT: port(8000),
    /** Folders that photos may come from, separated by colons; a relative path is looked up below each in turn. */
    IMAGE_ROOTS: folders(),
    /** As the recognizer's: only to show the photos that people were enrolled from. */
    KNOWN_PEOPLE: folder().optional(),
  });
  return { ...config, access: toAccessSettings(config), webhooks: toWebhookSettings(config) };
}
