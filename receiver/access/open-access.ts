import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiKeys } from '../../lib/api-keys.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Life } from '../../lib/run.ts';
import type { Sessions } from '../../lib/sessions.ts';
import { type Cookies, describeCookies } from './cookies.ts';
import { type Callers, openCallers } from './find-caller.ts';
import { type LoginProvider, openLoginProvider } from './login-provider.ts';
import type { AccessSettings } from './settings.ts';

/** Who may do what, as the app needs it. */
export interface AccessControl {
  readonly settings: AccessSettings;
  readonly keys: ApiKeys;
  readonly sessions: Sessions;
  readonly callers: Callers;
  readonly cookies: Cookies;
  readonly provider: LoginProvider | undefined;
}

export function openAccess(settings: AccessSettings, keys: ApiKeys, sessions: Sessions): AccessControl {
  const { login } = settings;
  const callers = openCallers({ keys, sessions, login });
  const provider = login === undefined ? undefined : openLoginProvider(login);
  return { settings, keys, sessions, callers, cookies: describeCookies(settings), provider };
}

/** Nobody can come in, and nobody will: the message says what to do. */
export class NobodyMayCome extends Error {}

const TRY_AGAIN_MS = 2_000;

/**
 * Makes the configured admin's keys known, and refuses to go on where nobody could do anything. While the database is away
 * that cannot be told: then everybody who needs a key is kept out, and it is tried again until it can.
 *
 * @throws Error that says what to do
 */
export async function admitSomebody(
  access: AccessControl,
  { host, log, life }: { host: string; log: Log; life: Pick<Life, 'fail' | 'onClose' | 'signal'> },
): Promise<void> {
  try {
    await assertSomebodyMayCome(access.settings, access.keys, host);
  } catch (error) {
    if (error instanceof NobodyMayCome) throw error;
    log.warn({ err: error }, `keys cannot be read yet: ${messageOf(error)}`);
    const trying = keepTrying(access, host, life.signal).catch(life.fail);
    life.onClose('first keys', () => trying);
  }
}

async function keepTrying(access: AccessControl, host: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      return await assertSomebodyMayCome(access.settings, access.keys, host);
    } catch (error) {
      if (error instanceof NobodyMayCome) throw error;
    }
    await sleep(TRY_AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** @throws NobodyMayCome, or an error of the database */
export async function assertSomebodyMayCome(settings: AccessSettings, keys: ApiKeys, host: string): Promise<void> {
  for (const hash of settings.adminKeyHashes) await keys.adoptAdminKey(hash);
  if (settings.anonymous !== 'nobody' || settings.login !== undefined || (await keys.hasUsableKey())) return;
  throw new NobodyMayCome(
    `Nobody could use this receiver: HOST is ${host}, so that whoever asks must say who they are, and nobody can. Either\n` +
      '  make a key:                      npx faceflow keys add NAME --role admin\n' +
      '  or name one:                     ADMIN_KEY_HASH=<SHA-256 of a key of yours>\n' +
      '  or let people log in:            OIDC_ISSUER and what belongs to it (.env.example)\n' +
      '  or listen on this machine only:  HOST=127.0.0.1, without ALLOW_ANONYMOUS\n' +
      '  or let everybody do everything:  ALLOW_ANONYMOUS=true, where nobody else can reach it',
  );
}
