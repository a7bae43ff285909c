import { z } from 'zod';
import { ConfigError, integer } from '../../lib/env.ts';
import { hostPatterns, intranetHosts, type UrlRules } from '../../lib/photo-url.ts';
import { schedule } from '../../lib/retry.ts';

const SHORTEST_SECRET = 32;
const secret = `a text of ${SHORTEST_SECRET} characters or more that nobody can guess (openssl rand -hex 32)`;

/** The keys that decide whom webhooks may tell, and how. */
export const webhookKeys = {
  /** Nobody, unless told so. */
  WEBHOOK_HOSTS: hostPatterns(),
  WEBHOOK_PRIVATE_HOSTS: intranetHosts(),
  /** What the secrets of webhooks are sealed with; the same for all receivers. */
  WEBHOOK_SECRET: z.string().min(SHORTEST_SECRET, secret).optional(),
  /** For one try, from the connection to the end of the answer. */
  WEBHOOK_TIMEOUT_MS: integer({ min: 100, max: 60_000, fallback: 10_000 }),
  /** A message that was not taken is sent again after so long, step by step; after the last step it is dead. */
  WEBHOOK_RETRY_SCHEDULE: schedule('5s,30s,2m,10m,30m,1h,2h,4h,8h'),
};

export interface WebhookSettings {
  readonly rules: UrlRules;
  readonly secret: string;
  readonly timeoutMs: number;
  readonly scheduleMs: readonly number[];
}

/** @throws ConfigError when there are hosts, and nothing to seal secrets with */
export function toWebhookSettings(config: z.infer<z.ZodObject<typeof webhookKeys>>): WebhookSettings {
  const rules = { allowed: config.WEBHOOK_HOSTS, intranet: config.WEBHOOK_PRIVATE_HOSTS };
  const isOn = rules.allowed.length > 0 || rules.intranet.size > 0;
  if (isOn && config.WEBHOOK_SECRET === undefined) {
    throw new ConfigError([`WEBHOOK_SECRET: expected ${secret}, as webhooks are on; it is not set`]);
  }
  return {
    rules,
    // Without hosts nobody can make a webhook, and nothing is ever sealed.
    secret: config.WEBHOOK_SECRET ?? '',
    timeoutMs: config.WEBHOOK_TIMEOUT_MS,
    scheduleMs: config.WEBHOOK_RETRY_SCHEDULE,
  };
}
