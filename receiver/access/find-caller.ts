import type { ApiKeys } from '../../lib/api-keys.ts';
import type { Sessions } from '../../lib/sessions.ts';
import type { Caller } from '../caller.ts';
import { rolesOfPerson } from './person-roles.ts';
import type { LoginSettings } from './settings.ts';

/** What a request brings along to say who it is from. */
export type Credential =
  | { readonly kind: 'key'; readonly secret: string }
  | { readonly kind: 'session'; readonly secret: string };

export interface Callers {
  /** Whose credential this is, as was known a moment ago; undefined when that must be asked. */
  remember(credential: Credential): Caller | undefined;
  /** Whose credential this is; null when it is nobody's, or not any more. */
  find(credential: Credential): Promise<Caller | null>;
  /** Asks anew next time: here at once, in the other receivers when they have forgotten. */
  forget(credential: Credential): void;
}

/** So long after it was revoked a key may still be good for something, ms. */
const REMEMBERED_MS = 2_000;
const MAX_REMEMBERED = 10_000;

export function openCallers(options: {
  readonly keys: Pick<ApiKeys, 'findUsableKey'>;
  readonly sessions: Pick<Sessions, 'findSession'>;
  readonly login: LoginSettings | undefined;
  readonly now?: () => number;
}): Callers {
  const { now = Date.now } = options;
  const remembered = new Map<string, { readonly caller: Caller; readonly until: number }>();
  const keyOf = ({ kind, secret }: Credential) => `${kind} ${secret}`;
  return {
    remember(credential) {
      const found = remembered.get(keyOf(credential));
      return found !== undefined && found.until > now() ? found.caller : undefined;
    },

    async find(credential) {
      const askedAt = now();
      const caller = await (credential.kind === 'key' ? findKey(credential, options) : findPerson(credential, options));
      remembered.delete(keyOf(credential));
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      if (caller !== null) remembered.set(keyOf(credential), { caller, until: askedAt + REMEMBERED_MS });
      return caller;
    },

    forget: (credential) => void remembered.delete(keyOf(credential)),
  };
}

async function findKey({ secret }: Credential, { keys }: { keys: Pick<ApiKeys, 'findUsableKey'> }) {
  const key = await keys.findUsableKey(secret);
  return key && ({ kind: 'key', id: `key:${key.id}`, name: key.name, roles: key.roles } satisfies Caller);
}

async function findPerson(
  { secret }: Credential,
  { sessions, login }: { sessions: Pick<Sessions, 'findSession'>; login: LoginSettings | undefined },
): Promise<Caller | null> {
  if (login === undefined) return null;
  const identity = await sessions.findSession(secret);
  // Another provider vouched for people of earlier days; and who lost every role is logged out.
  if (identity === null || identity.issuer !== login.issuer.href) return null;
  const roles = rolesOfPerson(identity, login);
  const { issuer, subject, name } = identity;
  return roles.length === 0 ? null : { kind: 'user', id: `user:${issuer}#${subject}`, name, roles };
}
