import { openApiKeys } from '../lib/api-keys.ts';
import { openDatabase } from '../lib/database.ts';
import { commonKeys, readEnv } from '../lib/env.ts';
import type { KeptTls } from '../lib/tls-files.ts';
import { assertSomebodyMayCome, NobodyMayCome } from '../receiver/access/open-access.ts';
import { accessKeys, toAccessSettings } from '../receiver/access/settings.ts';
import { LaunchError } from './launch-error.ts';

/**
 * Says before anything is started what the receiver would refuse to start with.
 *
 * @throws ConfigError or LaunchError that says what to do
 */
export async function checkAccess(env: NodeJS.ProcessEnv, mysqlUrl: string, tls: KeptTls | null = null): Promise<void> {
  const config = readEnv(env, { ...commonKeys, ...accessKeys });
  const settings = toAccessSettings(config);
  const db = openDatabase(mysqlUrl, { connections: 1, tls });
  try {
    await assertSomebodyMayCome(settings, openApiKeys(db), config.HOST);
  } catch (error) {
    throw error instanceof NobodyMayCome ? new LaunchError(error.message) : error;
  } finally {
    await db.close();
  }
}
