import { createLog } from '../lib/log.ts';
import { loadOrExit, run } from '../lib/run.ts';
import { startTracing } from '../lib/tracing.ts';
import { buildApp } from './app.ts';
import { loadConfig } from './config.ts';

const config = loadOrExit(() => loadConfig(process.env));
const log = createLog('frontend', config.log);

await run(log, config, async ({ onClose, signal }) => {
  const tracing = await startTracing('frontend', config.tracing, log);
  onClose('tracing', () => tracing.close());
  const app = await buildApp({ log, receiverUrl: config.receiverUrl, stopping: signal });
  onClose('http', () => app.close());
  await app.listen({ host: config.host, port: config.port });
});
