import { describe, expect, test } from 'vitest';
import { isCrossSite, isForeignName, isFromThisMachine, isLoopback } from './same-site.ts';

const nobody = new Set<string>();

test.each(['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost', '::ffff:127.0.0.1'])('%s is loopback', (address) => {
  expect(isLoopback(address)).toBe(true);
});

test.each(['0.0.0.0', '::', '192.168.1.2', '10.0.0.1', 'faceflow', '', '127.0.0.1.evil.example', '1270.0.0.1'])(
  '%j is not',
  (address) => {
    expect(isLoopback(address)).toBe(false);
  },
);

describe('a page of another site', () => {
  test.each([
    ['a form', 'POST', { host: 'a.example', origin: 'https://b.example' }, true],
    ['a sandboxed page', 'POST', { host: 'a.example', origin: 'null' }, true],
    ['another port', 'POST', { host: 'a.example', origin: 'http://a.example:81' }, true],
    ['an image', 'GET', { host: 'a.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, true],
    ['a neighbour', 'PUT', { host: 'a.example', 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }, true],
    ['a link', 'GET', { host: 'a.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, false],
    ['a form that is opened', 'POST', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, true],
    ['the own page', 'POST', { host: 'a.example:81', origin: 'http://a.example:81' }, false],
    [
      'the own page, through its server',
      'POST',
      { host: 'x', 'x-forwarded-host': 'a.example', origin: 'https://a.example' },
      false,
    ],
    ['the address bar', 'GET', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }, false],
    ['curl', 'POST', { host: 'a.example' }, false],
  ] as const)('%s', (_what, method, headers, expected) => {
    expect(isCrossSite(method, headers, nobody)).toBe(expected);
  });

  test('unless it is trusted', () => {
    const headers = { host: 'a.example', origin: 'https://b.example', 'sec-fetch-site': 'cross-site' };
    expect(isCrossSite('POST', headers, new Set(['https://b.example']))).toBe(false);
    expect(isCrossSite('POST', headers, new Set(['https://b.example.evil']))).toBe(true);
  });
});

test.each([
  ['evil.example', true],
  ['127.0.0.1.nip.io', true],
  ['localhost.evil.example', true],
  ['a b', true],
  ['192.168.1.7:8081', false],
  ['[::1]:8081', false],
  ['receiver:8000', false],
  ['faceflow.local', false],
  ['faces.example.org', false],
  ['FACES.example.org', false],
])('the name %s may be a stranger’s: %s', (host, expected) => {
  expect(isForeignName({ host }, 'faces.example.org')).toBe(expected);
});

test('a request is from this machine only if nothing says otherwise', () => {
  expect(isFromThisMachine('127.0.0.1', {})).toBe(true);
  expect(isFromThisMachine('::ffff:127.0.0.1', { 'x-forwarded-for': '127.0.0.1, ::1' })).toBe(true);
  expect(isFromThisMachine('10.0.0.1', {})).toBe(false);
  expect(isFromThisMachine(undefined, {})).toBe(false);
  expect(isFromThisMachine('127.0.0.1', { 'x-forwarded-for': '10.0.0.1' })).toBe(false);
  expect(isFromThisMachine('127.0.0.1', { 'x-forwarded-for': '' })).toBe(false);
  expect(isFromThisMachine('127.0.0.1', { forwarded: 'for=127.0.0.1' })).toBe(false);
});
