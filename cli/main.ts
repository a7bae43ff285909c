#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import tab from '@bomb.sh/tab/commander';
import { Command } from 'commander';
import { DEFAULT_MODEL } from '../lib/descriptor-models.ts';
import { ConfigError } from '../lib/env.ts';
import { DEFAULT_THRESHOLD } from '../lib/similarity.ts';
import { addBackupCommands } from './backup/commands.ts';
import { addClusterCommands } from './client/clusters.ts';
import { addClientCommands } from './client/commands.ts';
import { addModelCommands } from './client/models.ts';
import { addPeopleCommands } from './client/people.ts';
import { addWebhookCommands } from './client/webhooks.ts';
import { type DemoOptions, demo } from './demo.ts';
import type { EvalOptions } from './eval.ts';
import { addKeyCommands } from './keys.ts';
import { LaunchError } from './launch-error.ts';
import { parseCount, parseNumber } from './parse-options.ts';
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

program
  .command('eval')
  .description('how accurate recognition is on a folder of photos that has a folder for each person (as LFW has)')
  .argument('<dir>', 'DIR/<person>/<photo>; the largest face of a photo is that person')
  .option('--threshold <distance>', 'the threshold to judge', parseNumber({ above: 0, upTo: 2 }), DEFAULT_THRESHOLD)
  .option(
    '--far <rate>',
    'the false accept rate to suggest a threshold for',
    parseNumber({ above: 0, below: 1 }),
    0.001,
  )
  .option('--engine <name>', 'what runs the networks: onnx or tfjs (default: that of the recognizer)')
  .option('--model <name>', 'what faces are described by', DEFAULT_MODEL)
  .option('--workers <n>', 'threads that look at photos', parseCount, Math.min(availableParallelism(), 4))
  .option('--pairs <file>', "LFW's protocol with these pairs (DIR/pairs.txt where it is there)")
  .option('--no-pairs', 'without it')
  .option('--out <folder>', 'where accuracy.svg, accuracy.png and report.txt are written', './eval')
  .option('--json', 'one JSON object in the last line')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run eval -- ~/known_people\n  npm run eval -- ~/lfw --far 0.0001\n' +
      '  npm run eval -- ~/lfw --pairs ~/pairs.txt --json\n  npm run eval -- ~/known_people --threshold 0.6 --out /tmp/eval',
  )
  .action(async (dir: string, options: EvalOptions) => {
    // What it measures with is heavy, and no other command needs it.
    const { evaluate } = await import('./eval.ts');
    exitWith(await evaluate(dir, options));
  });

addClientCommands(program, exitWith);
addPeopleCommands(program, exitWith);
addClusterCommands(program, exitWith);
addKeyCommands(program, exitWith);
addModelCommands(program, exitWith);
addBackupCommands(program, version, exitWith);
addWebhookCommands(program, exitWith);

program
  .command('doctor')
  .description('look at everything that is needed here (Node, servers, folders, engine, ports), and say what to do')
  .option('--json', 'one JSON object')
  .action(async (options: { json?: boolean }) => {
    const { doctor } = await import('./doctor.ts');
    exitWith(await doctor(options));
  });

/** Whatever still holds the event loop (a keep-alive connection) must not keep a finished command alive. */
function exitWith(code: number): never {
  process.exit(code);
}

// `faceflow complete bash|zsh|fish` prints what the shell needs.
tab(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof LaunchError || error instanceof ConfigError)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  exitWith(1);
}
