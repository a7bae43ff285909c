import { InvalidArgumentError } from 'commander';

/** A parser of an option that is a number in a range. */
export function parseNumber({ above, upTo, below }: { above: number; upTo?: number; below?: number }) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value > above && value <= (upTo ?? value) && value < (below ?? Number.POSITIVE_INFINITY))
      return value;
    throw new InvalidArgumentError(
      `Expected a number above ${above} and ${upTo ? `up to ${upTo}` : `below ${below}`}.`,
    );
  };
}

/** A parser of an option that counts. */
export function parseCount(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number from 1 to 99.');
}
