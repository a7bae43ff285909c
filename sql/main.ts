import { messageOf } from '../lib/errors.ts';
import { createLog } from '../lib/log.ts';
import { loadOrExit } from '../lib/run.ts';
import { keepTls } from '../lib/tls-files.ts';
import { loadConfig } from './config.ts';
import { grantServices } from './grant.ts';
import { migrate } from './migrate.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('migrate', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const done = new AbortController();

try {
  const tls = await keepTls('MYSQL', config, { log, signal: done.signal });
  const applied = await migrate(config.MYSQL_URL, { log: (message) => log.info(message), tls });
  if (config.MYSQL_SERVICE_USERS === 'true') {
    log.info(
      { granted: await grantServices(config.MYSQL_URL, { tls }) },
      'the accounts of the services have their grants',
    );
  }
  log.info({ applied: applied.length }, 'the schema is up to date');
} catch (error) {
  log.fatal({ err: error }, messageOf(error));
  process.exitCode = 1;
} finally {
  done.abort();
}
