import { messageOf } from '../lib/errors.ts';
import { createLog } from '../lib/log.ts';
import { loadOrExit } from '../lib/run.ts';
import { loadConfig } from './config.ts';
import { migrate } from './migrate.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('migrate', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });

try {
  const applied = await migrate(config.MYSQL_URL, { log: (message) => log.info(message) });
  log.info({ applied: applied.length }, 'the schema is up to date');
} catch (error) {
  log.fatal({ err: error }, messageOf(error));
  process.exitCode = 1;
}
