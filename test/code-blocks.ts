import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The code blocks of a language in a document of the project, as they stand there. */
export async function readCodeBlocks(document: string, language: string): Promise<string[]> {
  const text = await readFile(join(import.meta.dirname, '..', document), 'utf8');
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, marked]) => marked === language)
    .map(([, , code = '']) => code);
}

/** The only block that holds a text. */
export function blockWith(blocks: readonly string[], text: string): string {
  const [only, ...others] = blocks.filter((block) => block.includes(text));
  if (only === undefined || others.length > 0) throw new Error(`${others.length + 1} blocks with ${text}, or none`);
  return only;
}
