import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

// A file of blocks, each with its length and CRC-32 before it: damage and truncation are seen before anything is believed.

const FRAME_BYTES = 8;
const MAX_BLOCK_BYTES = 64 * 1024 * 1024;

/** The file is not a whole snapshot of this gallery. */
export class SnapshotError extends Error {}

export async function writeBlock(file: FileHandle, payload: Uint8Array): Promise<void> {
  const frame = Buffer.alloc(FRAME_BYTES);
  frame.writeUInt32LE(payload.byteLength, 0);
  frame.writeUInt32LE(crc32(payload), 4);
  await writeAll(file, frame);
  await writeAll(file, payload);
}

/** @throws SnapshotError for a block that is damaged or missing */
export async function readBlock(file: FileHandle): Promise<Buffer> {
  const frame = await readAll(file, FRAME_BYTES);
  const length = frame.readUInt32LE(0);
  if (length > MAX_BLOCK_BYTES) throw new SnapshotError('A block of it is longer than any block is.');
  const payload = await readAll(file, length);
  if (crc32(payload) !== frame.readUInt32LE(4)) throw new SnapshotError('A block of it is damaged.');
  return payload;
}

export const writeJson = (file: FileHandle, value: unknown) => writeBlock(file, Buffer.from(JSON.stringify(value)));

export async function readJson(file: FileHandle): Promise<unknown> {
  return JSON.parse((await readBlock(file)).toString());
}

export const writeNumbers = (file: FileHandle, numbers: Float64Array | Float32Array) =>
  writeBlock(file, new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));

export async function readDoubles(file: FileHandle): Promise<Float64Array> {
  return new Float64Array(toArrayBuffer(await readBlock(file)));
}

export async function readFloats(file: FileHandle): Promise<Float32Array> {
  return new Float32Array(toArrayBuffer(await readBlock(file)));
}

/** CRC-32 of a whole file, read in pieces. */
export async function checksumOf(file: FileHandle): Promise<{ bytes: number; crc: number }> {
  const piece = Buffer.allocUnsafe(1024 * 1024);
  let [bytes, crc] = [0, 0];
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, piece.length, null);
    if (bytesRead === 0) return { bytes, crc };
    crc = crc32(piece.subarray(0, bytesRead), crc);
    bytes += bytesRead;
  }
}

function toArrayBuffer(bytes: Buffer): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  // Large ones have a buffer of their own: nothing to copy.
  const whole = byteOffset === 0 && byteLength === buffer.byteLength;
  return (whole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength)) as ArrayBuffer;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    done += (await file.write(bytes, done, bytes.byteLength - done)).bytesWritten;
  }
}

async function readAll(file: FileHandle, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, null);
    if (bytesRead === 0) throw new SnapshotError('It ends too early.');
    done += bytesRead;
  }
  return bytes;
}
