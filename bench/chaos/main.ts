import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine, describeVersions } from '../../cli/describe-machine.ts';
import { spawnGuarded } from '../../cli/guarded-process.ts';
import { type Figures, formatTable, plain, withGoal } from '../figures.ts';
import { asksForHelp, describeEnd, UsageError } from '../usage.ts';
import { FAULT_KINDS } from './plan.ts';
import { type ChaosOptions, type ChaosResult, isClean, runChaos } from './run-chaos.ts';
import { findOwnMounts } from './small-disk.ts';

const USAGE =
  'Usage: npm run chaos [-- --images N --faults N --seed S --database mariadb|mysql --cluster --only KINDS --json]';
const HELP = `${USAGE}

Lets things go wrong under load, in a private Faceflow that is thrown away, and says what became of every photo. Exit code 0:
none was lost, left lying, answered twice or wrongly.

  --images N       how many photos are posted (300)
  --faults N       how many things go wrong (12)
  --seed S         which, and when: a number that an earlier run has printed (by chance)
  --database NAME  mariadb or mysql (mariadb)
  --cluster        three database servers and three NATS servers instead of one each
  --only KINDS     some of ${FAULT_KINDS.join(', ')}, separated by commas (all)
  --json           one JSON object in the last line as well; exit code 0 whatever became of them`;

/** Set in the process that may mount file systems. */
const INSIDE = 'FACEFLOW_CHAOS_OWN_MOUNTS';
const PACKAGES = ['fastify', 'mysql2', '@nats-io/jetstream', '@grpc/grpc-js', 'opossum'];

const say = (line: string) => void process.stderr.write(`${line}\n`);

// Without a handler neither folders nor processes would be cleared away.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(describeEnd(error, USAGE));
  process.exitCode = 1;
}

async function main(args: string[]): Promise<number> {
  if (asksForHelp(args)) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const options = readOptions(args);
  if (process.env[INSIDE] === undefined) {
    const words = await findOwnMounts();
    if (words !== null) return runInside(words, args);
  }
  const result = await runChaos({ ...options, ownMounts: process.env[INSIDE] === '1', say });
  process.stdout.write(`\n${describeResult(result, options.seed)}\n`);
  if (options.json) {
    const figures = figuresOf(result);
    const machine = describeMachine();
    const versions = { ...describeVersions(PACKAGES), servers: result.servers };
    process.stdout.write(`${JSON.stringify({ bench: 'chaos', seed: options.seed, figures, machine, versions })}\n`);
    return 0;
  }
  return isClean(result.verdict) ? 0 : 1;
}

function readOptions(args: string[]): Omit<ChaosOptions, 'ownMounts' | 'say'> & { json: boolean } {
  const { values } = parseArgs({
    args,
    options: {
      images: { type: 'string', default: '300' },
      faults: { type: 'string', default: '12' },
      seed: { type: 'string' },
      database: { type: 'string', default: 'mariadb' },
      cluster: { type: 'boolean', default: false },
      only: { type: 'string', default: FAULT_KINDS.join(',') },
      json: { type: 'boolean', default: false },
    },
  });
  const whole = (name: string, text: string) => {
    if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name} ${text}: expected a whole number.`);
    return Number(text);
  };
  if (values.database !== 'mariadb' && values.database !== 'mysql')
    throw new UsageError(`--database ${values.database}: expected mariadb or mysql.`);
  const only = FAULT_KINDS.filter((kind) => values.only.split(',').includes(kind));
  if (only.length !== values.only.split(',').length)
    throw new UsageError(`--only ${values.only}: expected some of ${FAULT_KINDS.join(', ')}, separated by commas.`);
  return {
    only,
    images: whole('images', values.images),
    faults: whole('faults', values.faults),
    seed: values.seed === undefined ? randomInt(1_000_000) : whole('seed', values.seed),
    servers: values.cluster ? 'cluster' : values.database,
    json: values.json,
  };
}

/** The same program once more, where it may mount file systems. It ends with this one. */
async function runInside(words: readonly string[], args: readonly string[]): Promise<number> {
  const [command = '', ...first] = words;
  const self = [...process.execArgv, fileURLToPath(import.meta.url), ...args];
  const env = { ...process.env, [INSIDE]: '1' };
  const child = await spawnGuarded(command, [...first, process.execPath, ...self], { env, killAfterMs: 20_000 });
  child.stdout.pipe(process.stdout);
  child.stderr.pipe(process.stderr);
  const { code } = await child.ended;
  return code ?? 1;
}

function figuresOf({ verdict, faults, retries, seconds }: ChaosResult): Figures {
  const none = (value: number, unit: string) => withGoal(value, unit, 'lower', 0);
  return {
    lost: none(verdict.lost, 'images'),
    stuck: none(verdict.stuck, 'images'),
    answered_twice: none(verdict.answeredTwice, 'images'),
    wrong: none(verdict.wrong, 'images'),
    event_faults: none(verdict.eventFaults, 'events'),
    posted: plain(verdict.posted, 'images'),
    accepted: plain(verdict.accepted, 'images'),
    ...Object.fromEntries(Object.entries(verdict.outcomes).map(([status, n]) => [status, plain(n, 'images')])),
    faults: plain(faults.length, 'faults'),
    client_retries: plain(retries, 'requests'),
    seconds: plain(seconds, 's'),
  };
}

function describeResult(result: ChaosResult, seed: number): string {
  const { verdict, skipped, servers } = result;
  return [
    formatTable(figuresOf(result)),
    ...verdict.remarks,
    ...skipped.map((why) => `not done here: ${why}`),
    `seed ${seed}, on ${servers}`,
  ].join('\n');
}
