import { expect, test } from 'vitest';
import { readDroppedFiles } from './read-dropped-files.ts';

/** As a browser gives them; null: of a file that is gone by then, or that may not be read. */
type Tree = { readonly [name: string]: Tree | null | 'file' };

function entriesOf(tree: Tree): FileSystemEntry[] {
  return Object.entries(tree).map(([name, what]) => {
    if (what !== null && typeof what === 'object') return folderOf(name, entriesOf(what));
    const file = (resolve: (file: File) => void, reject: (error: Error) => void) =>
      what === null ? reject(new Error('gone')) : resolve(new File(['x'], name));
    return { isFile: true, name, file } as unknown as FileSystemEntry;
  });
}

function folderOf(name: string, within: FileSystemEntry[]): FileSystemEntry {
  // In portions of two, then an empty one.
  const portions = [within.slice(0, 2), within.slice(2), []].filter((one, n) => n === 2 || one.length > 0);
  const createReader = () => ({
    readEntries: (tell: (some: FileSystemEntry[]) => void) => tell(portions.shift() ?? []),
  });
  return { isFile: false, name, createReader } as unknown as FileSystemEntry;
}

const drop = (tree: Tree) =>
  readDroppedFiles({
    items: entriesOf(tree).map((entry) => ({ webkitGetAsEntry: () => entry })),
    files: [],
  } as unknown as DataTransfer);

test('the files of a drop in their order, those in folders too; one that cannot be read does not lose the others', async () => {
  const { files, unreadable } = await drop({
    'a.jpg': 'file',
    trip: { 'b.jpg': 'file', deep: { 'c.jpg': 'file', 'gone.jpg': null, 'd.jpg': 'file' } },
    'locked.jpg': null,
    'e.jpg': 'file',
  });
  expect(files.map(({ name }) => name)).toEqual(['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', 'e.jpg']);
  expect(unreadable).toBe(2);
});
