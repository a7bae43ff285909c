import { setTimeout as sleep } from 'node:timers/promises';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { DEFAULT_MODEL } from '../lib/descriptor-models.ts';
import {
  type Face,
  HealthCheckService,
  type IdentifyRequest,
  type IdentifyResponse,
  type IdentifyServer,
  IdentifyService,
} from '../proto/face.ts';
import { startNameServer } from './name-server.ts';

// Recognizers that take the same time for every photo and need next to no CPU time for it, and a name server that knows them.

export type FixedOrder =
  /** One more of them, on an address of its own; the name server tells it from now on. */
  | { readonly kind: 'add' }
  /** Who has asked whom since the last time that this was asked. */
  | { readonly kind: 'calls' };

export type FixedReply =
  | { readonly kind: 'ready'; readonly msSinceStart: number }
  | { readonly kind: 'add'; readonly address: string; readonly port: number; readonly nameServer: string }
  | { readonly kind: 'calls'; readonly calls: readonly Calls[] };

/** What one caller has asked one recognizer. */
export interface Calls {
  /** The name by which the caller knows the recognizers: each has its own. */
  readonly caller: string;
  readonly recognizer: string;
  readonly count: number;
  /** When the first of them came, `Date.now()`. */
  readonly firstAt: number;
}

const latencyMs = Number(process.argv[2]);
const addresses: string[] = [];
const names = await startNameServer(addresses);
const counts = new Map<string, { caller: string; recognizer: string; count: number; firstAt: number }>();
let port = 0;

process.on('message', (order: FixedOrder) => void follow(order).then((reply) => process.send?.(reply)));
process.send?.({ kind: 'ready', msSinceStart: performance.now() } satisfies FixedReply);

async function follow(order: FixedOrder): Promise<FixedReply> {
  if (order.kind === 'add') return addRecognizer();
  const calls = [...counts.values()];
  counts.clear();
  return { kind: 'calls', calls };
}

async function addRecognizer(): Promise<FixedReply> {
  const address = `127.0.0.${21 + addresses.length}`;
  const server = new Server();
  const unimplemented = (_call: unknown, answer: sendUnaryData<never>) =>
    answer({ code: status.UNIMPLEMENTED, details: 'not here' });
  server.addService(IdentifyService, {
    identify: (call, answer) => void identify(address, call, answer),
    match: unimplemented,
    describe: unimplemented,
  } satisfies IdentifyServer);
  server.addService(HealthCheckService, {
    healthCheck: (_call: unknown, answer: sendUnaryData<{ ready: boolean }>) => answer(null, { ready: true }),
  });
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${address}:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  addresses.push(address);
  return { kind: 'add', address, port, nameServer: names.address };
}

async function identify(
  recognizer: string,
  call: ServerUnaryCall<IdentifyRequest, IdentifyResponse>,
  answer: sendUnaryData<IdentifyResponse>,
): Promise<void> {
  const caller = call.getHost().split('.')[0] ?? '';
  const key = `${caller} ${recognizer}`;
  const counted = counts.get(key) ?? { caller, recognizer, count: 0, firstAt: Date.now() };
  counts.set(key, { ...counted, count: counted.count + 1 });
  await sleep(latencyMs);
  answer(null, {
    imageName: 'not_found',
    recognition: {
      ...{ faces: [stranger()], width: 640, height: 480, model: DEFAULT_MODEL },
      ...{ threshold: 0.55, galleryRevision: 0 },
    },
  });
}

/** Nobody like it was seen before, or will be. */
function stranger(): Face {
  const descriptor = Array.from({ length: 128 }, () => Math.random() - 0.5);
  const length = Math.hypot(...descriptor);
  return {
    box: { left: 0.4, top: 0.3, width: 0.2, height: 0.3 },
    confidence: 0.99,
    descriptor: descriptor.map((value) => value / length),
    ...{ match: undefined, nearestDistance: 0, quality: undefined, threshold: 0.55, candidates: [] },
  };
}
