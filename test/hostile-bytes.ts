import { crc32, deflateSync, gzipSync } from 'node:zlib';

/** Numbers in [0, 1), the same for the same seed (mulberry32, public domain). */
export type Random = () => number;

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number in `[from, to)`. */
export const between = (random: Random, from: number, to: number): number =>
  from + Math.floor(random() * Math.max(1, to - from));

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[between(random, 0, items.length)] as Item;
}

export function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, () => between(random, 0, 256)));
}

/** Changes `count` bytes that lie in `[from, to)`. */
export function flipBytes(random: Random, file: Buffer, count: number, from: number, to: number): Buffer {
  const damaged = Buffer.from(file);
  for (let i = 0; i < count; i++) {
    const at = between(random, from, Math.min(to, file.length));
    damaged[at] = (damaged[at] ?? 0) ^ between(random, 1, 256);
  }
  return damaged;
}

/** Cuts a file off: in its header, somewhere, or near its end. */
export function truncate(random: Random, file: Buffer): Buffer {
  const length = pick(random, [
    () => between(random, 1, 16),
    () => between(random, 16, 200),
    () => between(random, 1, file.length),
    () => file.length - between(random, 1, 64),
    () => Math.floor((file.length * between(random, 1, 10)) / 10),
  ])();
  return file.subarray(0, Math.max(1, Math.min(length, file.length - 1)));
}

/** One chunk of a PNG, with its checksum. */
export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

const PNG_MAGIC = Buffer.from('89504e470d0a1a0a', 'hex');

/** A PNG of one colour that is a thousandth of what it unpacks to. `depth` in bits, grey. */
export function pngBomb(width: number, height: number, options: { depth?: 1 | 8; interlaced?: boolean } = {}): Buffer {
  const { depth = 1, interlaced = false } = options;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, 0, 0, 0, interlaced ? 1 : 0], 8);
  const rows = Buffer.alloc((Math.ceil((width * depth) / 8) + 1) * height);
  const parts = [pngChunk('IHDR', header), pngChunk('IDAT', deflateSync(rows)), pngChunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([PNG_MAGIC, ...parts]);
}

/** Puts a chunk behind the header of a PNG. */
export function insertChunk(png: Buffer, chunk: Buffer): Buffer {
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}

/** A compressed text, or colour profile, of a few kilobytes out of what was packed. */
export function unpackingChunk(type: 'zTXt' | 'iCCP', packed: Buffer): Buffer {
  return pngChunk(type, Buffer.concat([Buffer.from('x\0\0', 'latin1'), packed]));
}

/** `megabytes` of nothing, packed; the better part of a second each. */
export function packNothing(megabytes: number): Buffer {
  return deflateSync(Buffer.alloc(megabytes * 2 ** 20));
}

/** Puts segments behind the first two bytes of a JPEG. `marker` is 0xe1 for EXIF, 0xe2 for a colour profile. */
export function insertSegment(jpeg: Buffer, marker: number, data: Buffer, claimedLength = data.length + 2): Buffer {
  const head = Buffer.from([0xff, marker, (claimedLength >> 8) & 0xff, claimedLength & 0xff]);
  return Buffer.concat([jpeg.subarray(0, 2), head, data, jpeg.subarray(2)]);
}

/** EXIF data with one entry: tag, type, count and value may be as absurd as you like. */
export function exifOf(entry: { tag: number; type: number; count: number; value: number; next?: number }): Buffer {
  const exif = Buffer.alloc(32);
  exif.write('Exif\0\0II*\0', 'latin1');
  exif.writeUInt32LE(8, 10);
  exif.writeUInt16LE(1, 14);
  exif.writeUInt16LE(entry.tag, 16);
  exif.writeUInt16LE(entry.type, 18);
  exif.writeUInt32LE(entry.count, 20);
  exif.writeUInt32LE(entry.value, 24);
  exif.writeUInt32LE(entry.next ?? 0, 28);
  return exif;
}

/** Lets a file's header claim another size, in whatever way its format says it. */
export function claimSize(file: Buffer, format: string, width: number, height: number): Buffer {
  const lie = Buffer.from(file);
  if (format === 'png') {
    lie.writeUInt32BE(width, 16);
    lie.writeUInt32BE(height, 20);
    lie.writeUInt32BE(crc32(lie.subarray(12, 29)), 29);
  } else if (format === 'gif') {
    lie.writeUInt16LE(width, 6);
    lie.writeUInt16LE(height, 8);
  } else if (format === 'jpeg') {
    const frame = findFrame(lie);
    lie.writeUInt16BE(height, frame + 5);
    lie.writeUInt16BE(width, frame + 7);
  } else if (format === 'tiff') {
    claimTiffSize(lie, width, height);
  } else if (format === 'avif') {
    const size = lie.indexOf('ispe', 0, 'latin1') + 8;
    lie.writeUInt32BE(width, size);
    lie.writeUInt32BE(height, size + 4);
  }
  return lie;
}

/** Where the segment begins that says how large a JPEG is (0xffc0 to 0xffc2). */
function findFrame(jpeg: Buffer): number {
  for (let at = 2; at < jpeg.length - 8; at += 2 + jpeg.readUInt16BE(at + 2)) {
    const marker = jpeg[at + 1] ?? 0;
    if (marker >= 0xc0 && marker <= 0xc2) return at;
  }
  throw new Error('The JPEG has no frame.');
}

/** Tags 256 and 257 of the first directory, little-endian as sharp writes it. */
function claimTiffSize(tiff: Buffer, width: number, height: number): void {
  const directory = tiff.readUInt32LE(4);
  for (let entry = directory + 2; entry < directory + 2 + 12 * tiff.readUInt16LE(directory); entry += 12) {
    const tag = tiff.readUInt16LE(entry);
    if (tag !== 256 && tag !== 257) continue;
    tiff.writeUInt16LE(4, entry + 2);
    tiff.writeUInt32LE(tag === 256 ? width : height, entry + 8);
  }
}

const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8">';

/** Merely its header took half a second and hundreds of megabytes before SVG was blocked. */
const PACKED_SVG = gzipSync(`${SVG}${'<g/>'.repeat(5_000_000)}</svg>`);

/** What is renamed to .jpg. */
export const OTHER_FILES: Record<string, (random: Random) => Buffer> = {
  text: (random) => Buffer.from('Not a photo. '.repeat(between(random, 1, 500))),
  'UTF-16': () => Buffer.from('\ufeffNot a photo.', 'utf16le'),
  HTML: () => Buffer.from('<!doctype html><html><body><img src="a.jpg"></body></html>'),
  JSON: () => Buffer.from('{"path":"photo.jpg"}'),
  PDF: () => Buffer.from('%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF'),
  zip: (random) => Buffer.concat([Buffer.from('504b0304140000000800', 'hex'), randomBytes(random, 400)]),
  gzip: (random) => gzipSync(randomBytes(random, 500)),
  program: (random) => Buffer.concat([Buffer.from('7f454c4602010100', 'hex'), randomBytes(random, 400)]),
  MP4: (random) =>
    Buffer.concat([Buffer.from('00000018667479706d703432000000006d70343269736f6d', 'hex'), randomBytes(random, 900)]),
  noise: (random) => randomBytes(random, between(random, 1, 3000)),
  zeros: (random) => Buffer.alloc(between(random, 1, 100_000)),
  SVG: () => Buffer.from(`${SVG}<rect width="8" height="8"/></svg>`),
  'SVG that reads files': () => Buffer.from(`${SVG}<image href="file:///etc/hostname" width="8" height="8"/></svg>`),
  'SVG of entities': () => Buffer.from(laughingSvg()),
  'packed SVG': () => gzipSync(`${SVG}</svg>`),
  'packed SVG of 20 MB': () => PACKED_SVG,
  'SVG of 60000 × 60000': () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="60000" height="60000"/>'),
  PPM: () => Buffer.from('P6 60000 60000 255\n'),
  FITS: () => Buffer.from('SIMPLE  =                    T'.padEnd(80).padEnd(2880)),
};

function laughingSvg(): string {
  const entities = Array.from({ length: 12 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`);
  return `<!DOCTYPE svg [<!ENTITY e0 "ha">${entities.join('')}]>${SVG}<text>&e12;</text></svg>`;
}
