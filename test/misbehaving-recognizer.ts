import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { HealthCheckService, type IdentifyResponse, IdentifyService } from '../proto/face.ts';

export type Answer = (path: string, call: number) => IdentifyResponse | Promise<IdentifyResponse>;

export interface MisbehavingRecognizer {
  readonly address: string;
  /** Every path that was asked for, in order. */
  readonly calls: string[];
  answer: Answer;
  ready: boolean;
  stop(): void;
  /** As if its process were killed: its connections break, and nobody listens. */
  die(): void;
}

export const NOBODY: IdentifyResponse = { imageName: 'not_found', recognition: undefined };

/** A recognizer that answers as a test wants: the one part that no real thing can play. */
export async function startMisbehavingRecognizer(
  answer: Answer = () => NOBODY,
  port = 0,
  host = '127.0.0.1',
): Promise<MisbehavingRecognizer> {
  const server = new Server();
  const calls: string[] = [];
  const sockets = new Set<Socket>();
  const stop = () => server.forceShutdown();
  const die = () => {
    for (const socket of sockets) socket.resetAndDestroy();
    stop();
  };
  const recognizer = { address: '', calls, answer, ready: true, stop, die };
  server.addService(IdentifyService, {
    identify: async (call, reply) => {
      const path = call.request.imagePath;
      calls.push(path);
      try {
        reply(null, await recognizer.answer(path, calls.length));
      } catch (error) {
        reply(error as ServiceError);
      }
    },
    // Only a recognizer that misbehaves: it never was asked to match.
    describe: (_call, reply) => reply({ code: status.UNIMPLEMENTED, details: 'not here' }),
    match: (_call, reply) => reply({ code: status.UNIMPLEMENTED, details: 'not here' }),
  } satisfies IdentifyServerOf);
  server.addService(HealthCheckService, {
    healthCheck: (_call: unknown, reply: (error: null, response: { ready: boolean }) => void) =>
      reply(null, { ready: recognizer.ready }),
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, chosen) =>
      error ? reject(error) : resolve(chosen),
    );
  });
  const { http2Servers } = server as unknown as { http2Servers: Map<EventEmitter, unknown> };
  for (const http2Server of http2Servers.keys()) {
    http2Server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
  }
  recognizer.address = `${host}:${bound}`;
  return recognizer;
}

type IdentifyServerOf = import('../proto/face.ts').IdentifyServer;

/** An error as grpc-js sends it; with a code of ours it is about the picture, without one about the recognizer. */
export function grpcError(code: status, message: string, faceflowCode?: string): Error {
  const metadata = new Metadata();
  if (faceflowCode !== undefined) metadata.set('faceflow-error-code', faceflowCode);
  return Object.assign(new Error(message), { code, details: message, metadata });
}

export { status };
