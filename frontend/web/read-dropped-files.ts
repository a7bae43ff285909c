/** Files of these types are worth sending; the recognizer has the last word. */
const photoNames = /\.(jpe?g|png|webp|avif|gif|tiff?|hei[cf])$/i;

export function isPhoto(file: File): boolean {
  return file.type.startsWith('image/') || photoNames.test(file.name);
}

/** The files of a drop, also those in folders and in folders within. */
export async function readDroppedFiles(transfer: DataTransfer): Promise<readonly File[]> {
  // The browser forgets the entries once the event is over: they are taken before anything is awaited.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  if (entries.length === 0) return [...transfer.files];
  return (await Promise.all(entries.map(readEntry))).flat();
}

async function readEntry(entry: FileSystemEntry): Promise<readonly File[]> {
  if (entry.isFile) {
    return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: File[] = [];
  // A folder is told in portions; an empty one is the end.
  for (;;) {
    const portion = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) return files;
    for (const within of portion) files.push(...(await readEntry(within)));
  }
}
