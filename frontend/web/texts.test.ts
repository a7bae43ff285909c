import { expect, test } from 'vitest';
import { en } from './texts/en.ts';
import { zh } from './texts/zh.ts';

/** Every text by its key; plural forms count as one, whose last form stands for it. */
function flatten(texts: object, prefix = ''): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    const name = `${prefix}${key}`;
    if (typeof value === 'string') flat.set(name.replace(/_(zero|one|other)$/, ''), value);
    else for (const [within, text] of flatten(value, `${name}.`)) flat.set(within, text);
  }
  return flat;
}

const placeholdersOf = (text: string) => [...text.matchAll(/{{\s*(\w+)/g)].map(([, name]) => name).sort();
const english = flatten(en);
const chinese = flatten(zh);

test('every text is there in Chinese', () => {
  expect([...english.keys()].filter((key) => !chinese.has(key))).toEqual([]);
});

test('and no other, except reasons that English readers get from the receiver', () => {
  const more = [...chinese.keys()].filter((key) => !english.has(key) && !key.startsWith('reason.'));
  expect(more).toEqual([]);
});

test.each([...chinese].filter(([key]) => english.has(key)))('%s fills in the same values', (key, text) => {
  expect(placeholdersOf(text)).toEqual(placeholdersOf(english.get(key) ?? ''));
});
