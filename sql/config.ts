import { databaseKeys } from '../lib/database.ts';
import { commonKeys, readEnv } from '../lib/env.ts';

/** @throws ConfigError that lists every bad key */
export function loadConfig(environment: NodeJS.ProcessEnv) {
  return readEnv(environment, { ...commonKeys, ...databaseKeys });
}
