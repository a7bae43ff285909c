import { type ClientReadableStream, credentials, Metadata, makeGenericClientConstructor } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { IdentifyClient } from '../proto/face.ts';
import { doAll } from './do-all.ts';

const TIMEOUT_MS = 60_000;
/** Asks for a connection again and again while the process is still starting. */
const IMPATIENT = { 'grpc.initial_reconnect_backoff_ms': 20, 'grpc.max_reconnect_backoff_ms': 20 };

/** Resolves as soon as grpc.health.v1 says SERVING: it is watched, not asked again and again. */
export async function untilServing(port: number): Promise<void> {
  const Health = makeGenericClientConstructor(healthService, 'Health');
  const client = new Health(`127.0.0.1:${port}`, credentials.createInsecure(), IMPATIENT);
  const metadata = new Metadata({ waitForReady: true });
  try {
    const watch: ClientReadableStream<{ status: string }> = client.Watch?.({ service: '' }, metadata, {
      deadline: Date.now() + TIMEOUT_MS,
    });
    for await (const { status } of watch) if (status === 'SERVING') return;
    throw new Error('The recognizer ended the watch on its health.');
  } finally {
    client.close();
  }
}

export interface Calls {
  readonly ms: number;
  readonly faces: number;
  /** From the call to its answer, ms; waiting for a worker included. */
  readonly latencies: readonly number[];
}

/** Has a recognizer look at photos, `atOnce` calls at a time; `onAnswer` after each. */
export async function identifyAll(
  port: number,
  paths: readonly string[],
  atOnce: number,
  onAnswer: () => Promise<void> = async () => {},
): Promise<Calls> {
  const client = new IdentifyClient(`127.0.0.1:${port}`, credentials.createInsecure());
  const latencies: number[] = [];
  let faces = 0;
  const startedAt = performance.now();
  try {
    await doAll(paths, atOnce, async (path) => {
      const calledAt = performance.now();
      const found = await countFaces(client, path);
      faces += found;
      latencies.push(performance.now() - calledAt);
      await onAnswer();
    });
    return { ms: performance.now() - startedAt, faces, latencies };
  } finally {
    client.close();
  }
}

function countFaces(client: IdentifyClient, imagePath: string): Promise<number> {
  const deadline = Date.now() + TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    client.identify({ imagePath, image: Buffer.alloc(0) }, new Metadata(), { deadline }, (error, answer) => {
      if (error) reject(error);
      else resolve(answer.recognition?.faces.length ?? 0);
    });
  });
}
