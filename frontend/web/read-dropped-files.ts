/** Files of these types are worth sending; the recognizer has the last word. */
const photoNames = /\.(jpe?g|png|webp|avif|gif|tiff?|hei[cf])$/i;

export function isPhoto(file: File): boolean {
  return file.type.startsWith('image/') || photoNames.test(file.name);
}

export interface DroppedFiles {
  readonly files: readonly File[];
  /** Files and folders that the browser could not read, or that were gone by then. */
  readonly unreadable: number;
}

/** The files of a drop, also those in folders and in folders within. */
export async function readDroppedFiles(transfer: DataTransfer): Promise<DroppedFiles> {
  // The browser forgets the entries once the event is over: they are taken before anything is awaited.
  const waiting = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []).reverse();
  if (waiting.length === 0) return { files: [...transfer.files], unreadable: 0 };
  const files: File[] = [];
  let unreadable = 0;
  for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
    try {
      if (entry.isFile) files.push(await readFile(entry as FileSystemFileEntry));
      else for (const within of (await readFolder(entry as FileSystemDirectoryEntry)).reverse()) waiting.push(within);
    } catch {
      unreadable++;
    }
  }
  return { files, unreadable };
}

function readFile(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

async function readFolder(entry: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = entry.createReader();
  const portions: FileSystemEntry[][] = [];
  // A folder is told in portions; an empty one is the end.
  for (;;) {
    const portion = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (portion.length === 0) return portions.flat();
    portions.push(portion);
  }
}
