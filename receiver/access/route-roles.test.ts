import { expect, test } from 'vitest';
import { accessOf, mayCall } from './route-roles.ts';

test('what does not stand in the table is for admins alone', () => {
  for (const [method, url] of [
    ['GET', '/v1/forgotten'],
    ['POST', '/v1/images/:id'],
    ['GET', '/docsx'],
    ['POST', '/healthz'],
    ['OPTIONS', '/v1/images'],
  ] as const) {
    expect(mayCall(accessOf(method, url), ['admin'])).toBe(true);
    expect(mayCall(accessOf(method, url), ['ingest', 'read'])).toBe(false);
    expect(mayCall(accessOf(method, url), [])).toBe(false);
  }
});

test('HEAD is as GET; the description’s page and its files are open', () => {
  expect(accessOf('HEAD', '/v1/people')).toEqual(accessOf('GET', '/v1/people'));
  for (const url of ['/docs', '/docs/', '/docs/static/*']) expect(mayCall(accessOf('GET', url), [])).toBe(true);
});
