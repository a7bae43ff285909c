import type { SeenImage } from './answers.ts';

/** One JSON object on one line, or text for people. */
export function print(json: boolean | undefined, value: unknown, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text}\n`);
}

/** Lines of columns that stand below each other, under their titles. */
export function formatColumns(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(titles), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n');
}

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
