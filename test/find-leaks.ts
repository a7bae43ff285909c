import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What no log may hold, in whatever shape it would come. */
const PATTERNS: readonly [what: string, pattern: RegExp][] = [
  ['a descriptor: many numbers in a row', /(?:-?\d?\.\d{2,}(?:e-?\d+)?[\s,]+){12}/],
  ['a descriptor: a typed array', /"0":-?\d+(?:\.\d+)?(?:e-?\d+)?,"1":-?\d+(?:\.\d+)?(?:e-?\d+)?,"2":-?\d/],
  ['a descriptor: bytes in a row', /"data":\[(?:\d{1,3},){64}/],
  ['a descriptor, or a photo: base64', /[A-Za-z0-9+/_-]{400}/],
  ['a descriptor, or a photo: hexadecimal', /\b(?:0?x'?)?[0-9a-f]{200}/i],
  [
    'a URL with a password or a token',
    /\b(?:mysql|nats|tls|https?):\/\/(?!user:password@host\b)(?:[^\s"'@/:]+:)?[^\s"'@/:]{8,}@/,
  ],
  ['an API key', /\bff_[A-Za-z0-9_-]{16,}/],
  ['a header Authorization', /\bbearer\s+[A-Za-z0-9._~+/-]{8,}/i],
  ['statements with their values', /"sql":\s*"/],
];

/** A file of the folder that is no log: passwords that were in use, one a line. */
export const SECRETS_FILE = 'secrets.txt';

/** What a log tells that it must not; nothing of it is repeated but where it stands. */
export function findLeaks(text: string, secrets: readonly string[] = []): string[] {
  return text
    .split('\n')
    .flatMap((line, n) => [
      ...PATTERNS.filter(([, pattern]) => pattern.test(line)).map(([what]) => `line ${n + 1}: ${what}`),
      ...(secrets.some((secret) => line.includes(secret)) ? [`line ${n + 1}: a password that was in use`] : []),
    ]);
}

/** Looks through all logs that the tests of a run have kept. @returns `file: what`, and how many files there were */
export function findLeaksIn(folder: string): { files: number; leaks: string[] } {
  if (!existsSync(folder)) return { files: 0, leaks: [] };
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  const files = readdirSync(folder).filter((file) => file !== SECRETS_FILE);
  const secrets = existsSync(join(folder, SECRETS_FILE)) ? read(SECRETS_FILE).split('\n').filter(Boolean) : [];
  return {
    files: files.length,
    leaks: files.flatMap((file) => findLeaks(read(file), secrets).map((leak) => `${join(folder, file)}: ${leak}`)),
  };
}
