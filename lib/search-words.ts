/** Longer prefixes are looked up by their first characters; the path itself has the last word. */
const LONGEST_PREFIX = 8;
const ASCII = /^[\0-\x7f]*$/;

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

/** How the words of a path start, in each length that is looked up, distinct. */
export function prefixesOf(path: string): Set<string> {
  const prefixes = new Set<string>();
  for (const word of splitWords(path)) {
    let prefix = '';
    for (const character of [...word].slice(0, LONGEST_PREFIX)) {
      prefix += character;
      prefixes.add(prefix);
    }
  }
  return prefixes;
}

/** What a typed word is looked up by. */
export function lookUpPrefix(word: string): string {
  return [...word].slice(0, LONGEST_PREFIX).join('');
}

/** Whether a word of a folded text starts with `word`. */
export function startsWordOf(word: string): (folded: string) => boolean {
  // Letters and digits only: nothing in it means anything to a regular expression.
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])${word}`, 'u');
  return (folded) => folded.includes(word) && pattern.test(folded);
}
