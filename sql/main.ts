import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import { createLog } from '../lib/log.ts';
import { loadOrExit } from '../lib/run.ts';
import { keepTls } from '../lib/tls-files.ts';
import { loadConfig } from './config.ts';
import { grantServices } from './grant.ts';
import { migrate } from './migrate.ts';
import { waitForMigrations } from './wait.ts';

// node dist/sql/main.js        migrates, and grants the services their rights
// node dist/sql/main.js wait   ends when that has been done by another, with the account of any service

const AWAY = /^(ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|PROTOCOL_CONNECTION_LOST)/;

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('migrate', { level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const done = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1));

async function migrateAndGrant(options: Parameters<typeof migrate>[1] & object): Promise<void> {
  const grant = async () => {
    const granted = await grantServices(config.MYSQL_URL, options);
    log.info({ granted }, 'the accounts of the services have their grants');
  };
  const whileLocked = config.MYSQL_SERVICE_USERS === 'true' ? { whileLocked: grant } : {};
  const applied = await migrate(config.MYSQL_URL, { ...options, ...whileLocked });
  log.info({ applied: applied.length }, 'the schema is up to date');
}

/** On a new cluster everything starts at once, and the database last. */
async function migratePatiently(options: Parameters<typeof migrate>[1] & object): Promise<void> {
  const giveUpAt = Date.now() + config.MIGRATE_WAIT_SECONDS * 1000;
  for (;;) {
    try {
      return await migrateAndGrant(options);
    } catch (error) {
      if (Date.now() >= giveUpAt || !AWAY.test(String((error as { code?: string }).code))) throw error;
      log.info(`waiting for the database: ${messageOf(error)}`);
      await delay(2_000);
    }
  }
}

try {
  const tls = await keepTls('MYSQL', config, { log, signal: done.signal });
  const options = { log: (message: string) => log.info(message), tls };
  if (process.argv[2] === 'wait') await waitForMigrations(config.MYSQL_URL, options);
  else await migratePatiently(options);
} catch (error) {
  log.fatal({ err: error }, messageOf(error));
  process.exitCode = 1;
} finally {
  done.abort();
}
