/**
 * In characters; what lies between or beyond is looked up by the next shorter one, and the path itself has the last word. Each
 * length costs a row for every digest in a path.
 */
const PREFIX_LENGTHS = [1, 2, 3, 4, 6, 8];
const ASCII = /^[\0-\x7f]*$/;

/** Written without spaces between words: each of their characters may start one, and what follows them may as well. */
const SPACELESS = ['Han', 'Hiragana', 'Katakana', 'Thai', 'Lao', 'Khmer', 'Myanmar']
  .map((script) => `\\p{Script=${script}}`)
  .join('');
const STARTS_SPACELESS = new RegExp(`^[${SPACELESS}]`, 'u');

/** Text without case, accents and compatibility forms (full-width letters, ligatures), as search compares it. */
export function foldText(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** The words of a text, folded: what stands between anything but letters and digits. */
export function splitWords(text: string): string[] {
  return foldText(text).match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** What someone typed into the search box: distinct words, each to be the start of a word; those implied by longer ones go. */
export function parseSearch(text: string): string[] {
  const words = [...new Set(splitWords(text))];
  return words.filter((word) => !words.some((other) => other !== word && other.startsWith(word)));
}

/** What the words of a path can be looked up by, distinct. */
export function prefixesOf(path: string): Set<string> {
  const prefixes = new Set<string>();
  for (const word of splitWords(path)) {
    const characters = [...word];
    for (const start of ASCII.test(word) ? [0] : startsWithin(characters)) {
      for (const length of PREFIX_LENGTHS) {
        if (start + length <= characters.length) prefixes.add(characters.slice(start, start + length).join(''));
      }
    }
  }
  return prefixes;
}

/** Where words start in what stands together: `2024年春节` is found by `2024`, `年`, `春节` and `节`. */
function startsWithin(characters: readonly string[]): number[] {
  const spaceless = characters.map((character) => STARTS_SPACELESS.test(character));
  return [...characters.keys()].filter((at) => at === 0 || spaceless[at] || spaceless[at - 1]);
}

/** What a typed word is looked up by. */
export function lookUpPrefix(word: string): string {
  const characters = [...word];
  const length = PREFIX_LENGTHS.findLast((one) => one <= characters.length);
  return characters.slice(0, length).join('');
}

/** Whether a word of a folded text starts with `word`. */
export function startsWordOf(word: string): (folded: string) => boolean {
  // Letters and digits only: nothing in it means anything to a regular expression.
  const pattern = new RegExp(STARTS_SPACELESS.test(word) ? word : `(?<!(?![${SPACELESS}])[\\p{L}\\p{N}])${word}`, 'u');
  return (folded) => folded.includes(word) && pattern.test(folded);
}
