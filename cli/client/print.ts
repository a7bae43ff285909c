import type { SeenImage } from './answers.ts';

/** One JSON object on one line, or text for people. */
export function print(json: boolean | undefined, value: unknown, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text}\n`);
}

/** Columns of a terminal: a cell that is wider sticks out, and does not push those of all other rows out of sight. */
const WIDEST = 72;

/** Lines of columns that stand below each other, under their titles. */
export function formatColumns(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(showControls));
  const widths = titles.map((title, column) =>
    shown.reduce((widest, row) => Math.max(widest, Math.min(WIDEST, widthOf(row[column] ?? ''))), title.length),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join('  ')
      .trimEnd();
  return [line(titles), line(widths.map((width) => '─'.repeat(width))), ...shown.map(line)].join('\n');
}

/** What a file may be called, and what a terminal would obey. */
function showControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Columns of a terminal: Chinese, Japanese and Korean characters and emoji take two, what is put onto others none. */
function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

const segmenter = new Intl.Segmenter();
const WIDE =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|[\u3000-\u303f\uff01-\uff60]/u;

export function formatImages(images: readonly SeenImage[]): string {
  if (images.length === 0) return 'No images.';
  return formatColumns(
    ['id', 'photo', 'status', 'faces', 'who is in it'],
    images.map((image) => [
      String(image.id),
      image.path,
      image.status,
      String(image.faces.length),
      image.reason ? image.reason.code : describePeople(image),
    ]),
  );
}

function describePeople({ faces }: SeenImage): string {
  const known = faces.flatMap(({ person, similarity }) =>
    person === null ? [] : [similarity === null ? person.name : `${person.name} ${similarity.toFixed(2)}`],
  );
  const strangers = faces.length - known.length;
  return [...known, ...(strangers > 0 ? [`${strangers} unknown`] : [])].join(', ');
}
