import { expect, test } from 'vitest';
import { deriveSeal } from './seal.ts';

const salt = Buffer.alloc(32, 7);

test('what one seal has closed it opens again, and no other one does', () => {
  const seal = deriveSeal('a key', salt);
  const value = { name: 'Ada', list: [1, null, 'é'] };
  const sealed = seal.close(value);
  expect(sealed.toString('latin1')).not.toContain('Ada');
  expect(deriveSeal('a key', salt).open(sealed)).toEqual(value);
  expect(() => deriveSeal('another key', salt).open(sealed)).toThrow();
  expect(() => deriveSeal('a key', Buffer.alloc(32, 8)).open(sealed)).toThrow();
  sealed[sealed.length - 1] = (sealed.at(-1) ?? 0) ^ 1;
  expect(() => seal.open(sealed)).toThrow();
});
