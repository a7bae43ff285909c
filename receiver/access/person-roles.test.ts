import { expect, test } from 'vitest';
import { claimsOfRules, parsePersonRules, rolesOfPerson } from './person-roles.ts';

const rules = (text: string) => parsePersonRules(text) ?? [];
const rolesOf = (claims: Record<string, string[]>, admins: string, readers = '') =>
  rolesOfPerson({ claims }, { admins: rules(admins), readers: rules(readers) });

test.each([
  ['ada@example.org', { verified_email: ['ada@example.org'] }, true],
  ['Ada@Example.org', { verified_email: ['ada@example.org'] }, true],
  ['ada@example.org', { email: ['ada@example.org'], verified_email: [] }, false],
  ['ada@example.org', { verified_email: ['xada@example.org'] }, false],
  ['@example.org', { verified_email: ['bo@example.org'] }, true],
  ['@example.org', { verified_email: ['bo@sub.example.org'] }, false],
  ['@example.org', { verified_email: ['bo@evilexample.org'] }, false],
  ['sub=1234', { sub: ['1234'] }, true],
  ['sub=1234', { sub: ['12345'] }, false],
  ['groups=admins', { groups: ['staff', 'admins'] }, true],
  ['groups=admins', { groups: ['Admins'] }, false],
  ['https://example.org/roles=a=b', { 'https://example.org/roles': ['a=b'] }, true],
  ['*', {}, true],
  ['', {}, false],
])('%j lets %j in: %s', (text, claims: Record<string, string[]>, expected) => {
  expect(rolesOf(claims, text)).toEqual(expected ? ['admin'] : []);
  expect(rolesOf(claims, '', text)).toEqual(expected ? ['read'] : []);
});

test('who is both is an admin', () => {
  expect(rolesOf({ sub: ['1'] }, 'sub=1', '*')).toEqual(['admin']);
  expect(rolesOf({ sub: ['2'] }, 'sub=1', '*')).toEqual(['read']);
});

test.each(['ada', 'ada@', '@', 'ada@example.org; bo@example.org', '=x', 'groups='])('%j is no rule', (text) => {
  expect(parsePersonRules(text)).toBeNull();
});

test('only claims that a rule looks at are kept', () => {
  expect(claimsOfRules(rules('groups=a, bo@example.org, @example.org, *'))).toEqual([
    'verified_email',
    'groups',
    'verified_email',
  ]);
});
