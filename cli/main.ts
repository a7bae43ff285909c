#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { ConfigError } from '../lib/env.ts';
import { type DemoOptions, demo } from './demo.ts';
import { LaunchError } from './launch-error.ts';
import { type UpOptions, up } from './up.ts';

const { version } = JSON.parse(
  readFileSync(
    new URL(import.meta.url.endsWith('.ts') ? '../package.json' : '../../package.json', import.meta.url),
    'utf8',
  ),
) as { version: string };

const program = new Command('faceflow')
  .description('Self-hosted face recognition: post the path of a photo, see who is in it.')
  .version(version)
  .showHelpAfterError('(faceflow --help shows what there is)');

program
  .command('up')
  .description(
    'run everything on this machine, with private MariaDB and NATS servers unless MYSQL_URL / NATS_URL are given',
  )
  .option('--processors <n>', 'how many processors work side by side (PROCESSORS, 1)')
  .option('--data <folder>', 'where everything is kept (DATA_DIR, ./data)')
  .addHelpText(
    'after',
    '\nExamples:\n  npm start\n  npm start -- --processors 4\n  IMAGE_ROOTS=~/Pictures npm start -- --data /srv/faceflow',
  )
  .action(async (options: UpOptions) => exitWith(await up(options)));

program
  .command('demo')
  .description('the same on sample photos, in a throw-away data folder: who is seen in which, as a table and as a page')
  .option('--exit', 'stop after the table; exit code 0 only if everything was recognised as it should be')
  .addHelpText('after', '\nExamples:\n  npm run demo\n  npm run demo -- --exit')
  .action(async (options: DemoOptions) => exitWith(await demo(options)));

/** Whatever still holds the event loop (a keep-alive connection) must not keep a finished command alive. */
function exitWith(code: number): never {
  process.exit(code);
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof LaunchError || error instanceof ConfigError)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  exitWith(1);
}
