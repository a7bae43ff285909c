import { type Command, InvalidArgumentError } from 'commander';
import { type ApiKey, KEY_ROLES, type KeyRole, openApiKeys } from '../lib/api-keys.ts';
import { systemActor } from '../lib/audit.ts';
import { PermanentError } from '../lib/errors.ts';
import { formatColumns, print } from './client/print.ts';
import { LaunchError } from './launch-error.ts';
import { withDatabase } from './with-database.ts';

const COMMAND_LINE = systemActor('command-line');

interface AddOptions {
  readonly role: KeyRole[];
  readonly expires?: Date;
  readonly json?: boolean;
}

/**
 * The commands `faceflow keys …`. They work on the database itself, since nobody can ask the API before there is a key:
 * whoever may write to the database may let people in.
 */
export function addKeyCommands(program: Command, exitWith: (code: number) => never): void {
  const keys = program
    .command('keys')
    .description('API keys: who may do what; works on the database of MYSQL_URL, or the private one of DATA_DIR');

  keys
    .command('add')
    .description('make a key, and print it: it is kept nowhere')
    .argument('<name>', 'what it is for')
    .requiredOption('--role <role>', `${KEY_ROLES.join(', ')}; may be given several times`, collectRoles)
    .option('--expires <when>', 'in so many days (90d) or hours (12h), or a date (2027-01-31)', parseExpiry)
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\ningest posts photos and sees what became of them, read sees everything, admin may do everything.\n' +
        '\nExamples:\n  faceflow keys add camera-7 --role ingest --expires 90d\n  faceflow keys add me --role admin',
    )
    .action(async (name: string, { role, expires, json }: AddOptions) => {
      const made = await withDatabase((db) =>
        openApiKeys(db).addKey({ name, roles: role, expiresAt: expires ?? null, actor: COMMAND_LINE }),
      );
      // The key alone on stdout: KEY=$(faceflow keys add …).
      if (!json) process.stderr.write(`${describe([made])}\nThe key, shown only now:\n`);
      process.stdout.write(`${json ? JSON.stringify(made) : made.key}\n`);
      exitWith(0);
    });

  keys
    .command('list')
    .description('all keys, also those that were revoked or have expired')
    .option('--json', 'one JSON object')
    .action(async ({ json }: { json?: boolean }) => {
      const found = await withDatabase((db) => openApiKeys(db).listKeys());
      print(json, { keys: found }, found.length === 0 ? 'No keys.' : describe(found));
      exitWith(0);
    });

  keys
    .command('revoke')
    .description('it stops working within seconds')
    .argument('<key>', 'its number, or its name')
    .option('--json', 'one JSON object')
    .action(async (key: string, { json }: { json?: boolean }) => {
      const revoked = await withDatabase(async (db) => {
        const all = openApiKeys(db);
        return all.revokeKey(chooseKey(await all.listKeys(), key), COMMAND_LINE);
      }).catch((error: unknown) => {
        throw error instanceof PermanentError ? new LaunchError(error.message) : error;
      });
      print(json, revoked, describe([revoked]));
      exitWith(0);
    });
}

/** The id of the key that is meant; a name must be that of one key alone. */
export function chooseKey(keys: readonly ApiKey[], idOrName: string): number {
  const named = keys.filter(({ name, revokedAt }) => name === idOrName && revokedAt === null);
  const [only] = named;
  if (only !== undefined && named.length === 1) return only.id;
  if (named.length > 1) {
    throw new LaunchError(`Several keys are named ${idOrName}: ${named.map(({ id }) => id).join(', ')}. Say which.`);
  }
  if (/^\d+$/.test(idOrName)) return Number(idOrName);
  throw new LaunchError(`There is no key named ${idOrName} that could be revoked.`);
}

function collectRoles(text: string, before: KeyRole[] = []): KeyRole[] {
  const role = KEY_ROLES.find((one) => one === text);
  if (role === undefined) throw new InvalidArgumentError(`Expected one of ${KEY_ROLES.join(', ')}.`);
  return [...before, role];
}

const HOUR_MS = 3_600_000;

/** When a key made now is to expire. */
export function parseExpiry(text: string): Date {
  const [, count, unit] = /^(\d{1,5})([dh])$/.exec(text) ?? [];
  const when =
    count === undefined
      ? new Date(/^\d{4}-\d\d-\d\d(T|$)/.test(text) ? text : Number.NaN)
      : new Date(Date.now() + Number(count) * (unit === 'd' ? 24 * HOUR_MS : HOUR_MS));
  if (!(when.getTime() > Date.now())) throw new InvalidArgumentError('Expected 90d, 12h or a date to come.');
  return when;
}

function describe(keys: readonly ApiKey[]): string {
  return formatColumns(['id', 'name', 'roles', ''], keys.map(toRow));
}

function toRow({ id, name, roles, expiresAt, revokedAt, lastUsedAt }: ApiKey): string[] {
  const day = (date: Date) => date.toISOString().slice(0, 16).replace('T', ' ');
  const state = [
    ...(revokedAt ? [`revoked ${day(revokedAt)}`] : []),
    ...(expiresAt ? [`expires ${day(expiresAt)}`] : []),
    lastUsedAt ? `last used ${day(lastUsedAt)}` : 'never used',
  ];
  return [String(id), name, roles.join(','), state.join(', ')];
}
