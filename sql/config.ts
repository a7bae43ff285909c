import { databaseKeys } from '../lib/database.ts';
import { choice, commonKeys, integer, readEnv } from '../lib/env.ts';

/** @throws ConfigError that lists every bad key */
export function loadConfig(environment: NodeJS.ProcessEnv) {
  return readEnv(environment, {
    ...commonKeys,
    ...databaseKeys,
    /** `true`: each service has an account of its own, which is granted what it needs (users/*.sql). */
    MYSQL_SERVICE_USERS: choice(['false', 'true']),
    /** How long to wait for a server that cannot be reached, before giving up. */
    MIGRATE_WAIT_SECONDS: integer({ min: 0, max: 86_400, fallback: 0 }),
  });
}
