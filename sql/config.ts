import { databaseKeys } from '../lib/database.ts';
import { choice, commonKeys, readEnv } from '../lib/env.ts';

/** @throws ConfigError that lists every bad key */
export function loadConfig(environment: NodeJS.ProcessEnv) {
  return readEnv(environment, {
    ...commonKeys,
    ...databaseKeys,
    /** `true`: each service has an account of its own, which is granted what it needs (users/*.sql). */
    MYSQL_SERVICE_USERS: choice(['false', 'true']),
  });
}
