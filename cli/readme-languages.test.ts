import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
const english = read('README.md');
const chinese = read('README.zh-CN.md');

/** What is typed; comments are for people to read, in their language. */
const commandsIn = (text: string) =>
  [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, block = '']) =>
    language === 'sh' ? block.replace(/ +# .*$/gm, '') : block,
  );
/** Names of keys, commands, paths: what stands in code. */
const codeIn = (text: string) =>
  [...text.replace(/^```.*?^```$/gms, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code).sort();
const linksIn = (text: string) =>
  [...text.matchAll(/\]\(([^)]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^README/.test(link))
    .sort();

test('both READMEs say the same commands, names and links', () => {
  expect(commandsIn(chinese)).toEqual(commandsIn(english));
  expect(commandsIn(english).length).toBeGreaterThan(6);
  expect([...new Set(codeIn(chinese))]).toEqual([...new Set(codeIn(english))]);
  expect(linksIn(chinese)).toEqual(linksIn(english));
  expect(chinese.match(/^#+ /gm)).toEqual(english.match(/^#+ /gm));
});

test('they lead to each other, and every picture is there', () => {
  expect(english).toContain('](README.zh-CN.md)');
  expect(chinese).toContain('](README.md)');
  const pictures = [...english.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, file = '']) => file);
  expect(pictures.length).toBeGreaterThan(2);
  for (const file of pictures) expect(existsSync(new URL(`../${file}`, import.meta.url)), file).toBe(true);
});
