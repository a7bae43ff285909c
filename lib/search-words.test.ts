import { expect, test } from 'vitest';
import { foldText, lookUpPrefix, parseSearch, prefixesOf, splitWords, startsWordOf } from './search-words.ts';

test('words are what stands between anything but letters and digits, without case, accents and wide forms', () => {
  expect(splitWords('/Ferien/Müller & Söhne/IMG_0042.JPG')).toEqual([
    'ferien',
    'muller',
    'sohne',
    'img',
    '0042',
    'jpg',
  ]);
  expect(splitWords('ＡＢＣ-北京2024')).toEqual(['abc', '北京2024']);
  expect(splitWords('--- /')).toEqual([]);
});

test('a typed word that a longer one implies is left out', () => {
  expect(parseSearch(' Ada  a BEACH beach ')).toEqual(['ada', 'beach']);
});

test('prefixes have certain lengths up to eight characters, also of letters outside the basic plane', () => {
  expect([...prefixesOf('ab/abcdefg')]).toEqual(['a', 'ab', 'abc', 'abcd', 'abcdef']);
  expect([...prefixesOf('0123456789')].at(-1)).toBe('01234567');
  expect(lookUpPrefix('abcde')).toBe('abcd');
  expect(lookUpPrefix('\u{1D7D8}'.repeat(9))).toBe('\u{1D7D8}'.repeat(8));
});

test('every word of a path is found by each of its starts, and by nothing else', () => {
  const path = 'Straße/Él Niño/Photo-2024.jpeg';
  const folded = foldText(path);
  for (const typed of ['stra', 'straß', 'straße', 'el', 'nin', 'photo', '2024', 'jp']) {
    const [word = ''] = parseSearch(typed);
    expect(startsWordOf(word)(folded), typed).toBe(true);
    expect(prefixesOf(path).has(lookUpPrefix(word)), typed).toBe(true);
  }
  for (const typed of ['hoto', 'ino', '024']) expect(startsWordOf(typed)(folded), typed).toBe(false);
});

test('what is written without spaces is found by what stands in the midst of it', () => {
  const path = '/照片/2024年春节/北京party（全家）.jpg';
  const folded = foldText(path);
  for (const typed of ['照片', '片', '2024', '2024年春', '年', '春节', '节', '京', '京party', 'party', '全家', '家']) {
    const [word = ''] = parseSearch(typed);
    expect(startsWordOf(word)(folded), typed).toBe(true);
    expect(prefixesOf(path).has(lookUpPrefix(word)), typed).toBe(true);
  }
  for (const typed of ['024', 'arty', '家全', '节北']) expect(startsWordOf(typed)(folded), typed).toBe(false);
  expect(startsWordOf('a照')('xa照')).toBe(false);
  expect(startsWordOf('\u{20BB7}')(foldText('a\u{20BB7}'))).toBe(true);
});
