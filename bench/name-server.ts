import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';

export interface NameServer {
  /** `127.0.0.1:port`, for `dns://…/` */
  readonly address: string;
  /** What every name has, from the next question on; IPv4. None: no such name. */
  addresses: readonly string[];
  close(): void;
}

const HEADER = 12;
const A = 1;
const NO_SUCH_NAME = 3;

/** A name server that knows one answer, and wants nobody to keep it (RFC 1035). */
export async function startNameServer(addresses: readonly string[]): Promise<NameServer> {
  const socket = createSocket('udp4');
  const server = { address: '', addresses, close: () => void socket.close() };
  socket.on('message', (query, { port, address }) => socket.send(answer(query, server.addresses), port, address));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  server.address = `127.0.0.1:${(socket.address() as AddressInfo).port}`;
  return server;
}

function answer(query: Buffer, addresses: readonly string[]): Buffer {
  // The name ends with an empty label; then come two bytes of type and two of class.
  const question = query.subarray(HEADER, query.indexOf(0, HEADER) + 5);
  const records = question.readUInt16BE(question.length - 4) === A ? addresses : [];
  const header = Buffer.alloc(HEADER);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8580 | (addresses.length === 0 ? NO_SUCH_NAME : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  // The name of the question, A, IN, to be kept for 0 s, 4 bytes.
  const start = [0xc0, HEADER, 0, A, 0, 1, 0, 0, 0, 0, 0, 4];
  return Buffer.concat([
    header,
    question,
    ...records.map((it) => Buffer.from([...start, ...it.split('.').map(Number)])),
  ]);
}
