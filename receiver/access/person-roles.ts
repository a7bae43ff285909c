import type { Identity } from '../../lib/sessions.ts';
import type { Role } from '../caller.ts';

/** One entry of OIDC_ADMINS or OIDC_READERS: a claim and a value that it must have. */
export type PersonRule =
  | { readonly kind: 'anybody' }
  | { readonly kind: 'claim'; readonly claim: string; readonly value: string }
  | { readonly kind: 'domain'; readonly domain: string };

/** The claim of `Identity` in which only addresses stand that the provider has verified. */
export const VERIFIED_EMAIL = 'verified_email';

/**
 * Reads entries separated by commas: `ada@example.org` (a verified address), `@example.org` (any verified address there),
 * `claim=value` (such as `sub=1234`, `groups=admins`), or `*` (whoever can log in).
 *
 * @returns null when an entry is none of these
 */
export function parsePersonRules(text: string): PersonRule[] | null {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const rules = entries.map(parsePersonRule);
  return rules.includes(null) ? null : rules.filter((rule) => rule !== null);
}

function parsePersonRule(entry: string): PersonRule | null {
  if (entry === '*') return { kind: 'anybody' };
  const [, claim, value] = /^([\w.:/-]+)=(.+)$/.exec(entry) ?? [];
  if (claim !== undefined && value !== undefined) return { kind: 'claim', claim, value };
  if (/^@[^@\s]+$/.test(entry)) return { kind: 'domain', domain: entry.toLowerCase() };
  return /^[^@\s]+@[^@\s]+$/.test(entry) ? { kind: 'claim', claim: VERIFIED_EMAIL, value: entry.toLowerCase() } : null;
}

/** The claims that rules look at: no other is kept of anybody. */
export function claimsOfRules(rules: readonly PersonRule[]): string[] {
  return [VERIFIED_EMAIL, ...rules.flatMap((rule) => (rule.kind === 'claim' ? [rule.claim] : []))];
}

/** What somebody who has logged in may do; empty when nobody has given them a role. */
export function rolesOfPerson(
  { claims }: Pick<Identity, 'claims'>,
  { admins, readers }: { admins: readonly PersonRule[]; readers: readonly PersonRule[] },
): Role[] {
  const fits = (rule: PersonRule): boolean => {
    if (rule.kind === 'anybody') return true;
    if (rule.kind === 'claim') return claims[rule.claim]?.includes(rule.value) ?? false;
    return claims[VERIFIED_EMAIL]?.some((email) => email.endsWith(rule.domain)) ?? false;
  };
  if (admins.some(fits)) return ['admin'];
  return readers.some(fits) ? ['read'] : [];
}
