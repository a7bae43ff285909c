import { expect, test } from 'vitest';
import { isUpload, nameUpload } from './name-upload.ts';

test.each([
  ['party.JPG', 'party.jpg'],
  ['C:\\Photos\\Oma & Opa.png', 'Oma & Opa.jpg'],
  ['2024/Ausflug/Ümläut.jpeg', 'Ümläut.jpg'],
  ['e\u0301te\u0301.jpg', '\u00e9t\u00e9.jpg'],
  ['中文照片 张伟.heic', '中文照片 张伟.jpg'],
  ['emoji 🎉👨‍👩‍👧.jpg', 'emoji 🎉👨‍👩‍👧.jpg'],
  ['hash#q?p%25&a"q\'<b>.jpg', "hash#q_p%25&a_q'_b_.jpg"],
  ['new\nline\u0000.jpg', 'new_line_.jpg'],
  ['half \ud83d.jpg', 'half _.jpg'],
  ['v1.2 final', 'v1.2 final.jpg'],
  ['.hidden.jpg', 'hidden.jpg'],
  ['  spaces .jpg', 'spaces.jpg'],
  ['../../etc/passwd', 'passwd.jpg'],
])('%j is stored as %j', (sent, stored) => {
  expect(nameUpload(sent, 'jpg')).toBe(stored);
  expect(isUpload(`uploads/ab/${'ab'.repeat(32)}/${stored}`)).toBe(true);
});

test.each([[undefined], [''], ['.jpg'], ['..'], ['/'], ['   ']])('%j is no name', (sent) => {
  expect(nameUpload(sent, 'jpg')).toBeNull();
});

test('a name is cut to what file systems take, between characters', () => {
  expect(nameUpload(`${'a'.repeat(300)}.jpg`, 'webp')).toBe(`${'a'.repeat(200)}.webp`);
  expect(nameUpload(`a${'照'.repeat(300)}.jpg`, 'jpg')).toBe(`a${'照'.repeat(66)}.jpg`);
});

test.each([
  ['uploads/ab/abcd.jpg'],
  [`uploads/cd/${'ab'.repeat(32)}/a.jpg`],
  [`uploads/ab/${'ab'.repeat(32)}/a/b.jpg`],
  [`uploads/ab/${'ab'.repeat(32)}/`],
  [`x/uploads/ab/${'ab'.repeat(32)}.jpg`],
])('%s is no upload', (path) => {
  expect(isUpload(path)).toBe(false);
});
