import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { integer } from './env.ts';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';
import { connectionOptions, type NatsAccess } from './nats-access.ts';

/** The environment key of whoever makes streams. */
export const replicaKeys = {
  /** On how many servers of a NATS cluster each stream is kept. */
  NATS_REPLICAS: integer({ min: 1, max: 5, fallback: 1 }),
};

export interface NatsUser {
  /** `nats://[token@ or user:password@]host:port[,host:port…]` */
  readonly url: string;
  /** Absent: what the URL says, and nothing else. */
  readonly access?: NatsAccess | undefined;
  readonly log: Log;
  /** Called on every connection, also when the same server is back: it may have lost its disk. Tried until it succeeds. */
  readonly prepare: (connection: NatsConnection) => Promise<void>;
  /** Called when the connection is lost: answers that are waited for will not come. */
  readonly onLost: () => void;
}

export interface KeptConnection {
  close(): Promise<void>;
}

const RETRY_MS = 1_000;

/** Returns at once: the connection is made, kept and made again in the background, until it is closed. */
export function keepConnected(user: NatsUser): KeptConnection {
  const { log } = user;
  const closing = new AbortController();
  let current: NatsConnection | undefined;
  let isLive = false;

  void connectForEver();

  async function connectForEver() {
    let failures = 0;
    while (!closing.signal.aborted) {
      try {
        current = await connect(connectionOptions(user.url, user.access));
        if (failures > 0) log.info('NATS is there');
        failures = 0;
        await watch(current);
        if (!closing.signal.aborted) log.warn('the connection to NATS was closed; making a new one');
      } catch (error) {
        // Once an outage, not once a second.
        if (failures++ === 0) log.warn({ err: error }, `no connection to NATS, trying again: ${messageOf(error)}`);
      }
      lose();
      await pause(closing.signal);
    }
  }

  function lose() {
    isLive = false;
    user.onLost();
  }

  /** Serves one connection until it is closed. */
  async function watch(connection: NatsConnection) {
    if (closing.signal.aborted) return connection.close();
    const statuses = connection.status();
    let refusal = '';
    await prepare(connection);
    for await (const status of statuses) {
      if (status.type === 'disconnect') {
        log.warn('NATS is gone; waiting for it');
        lose();
      } else if (status.type === 'reconnect') {
        log.info('NATS is back');
        await prepare(connection);
      } else if (status.type === 'error' && refusal !== messageOf(status.error)) {
        // What we may not publish or subscribe to: once, not once a message.
        refusal = messageOf(status.error);
        log.error({ err: status.error }, `NATS refuses: ${refusal}`);
      }
    }
  }

  async function prepare(connection: NatsConnection) {
    while (!closing.signal.aborted && !connection.isClosed()) {
      try {
        await user.prepare(connection);
        isLive = true;
        return;
      } catch (error) {
        log.warn({ err: error }, `NATS cannot be used yet: ${messageOf(error)}`);
        await pause(closing.signal);
      }
    }
  }

  return {
    async close() {
      closing.abort();
      // Acknowledgements that are still in the buffer go out first; without a server, flush would wait for one.
      if (isLive)
        await current?.flush().catch((error: unknown) => log.debug({ err: error }, 'NATS went before the last flush'));
      await current?.close();
    },
  };
}

/** Ends early when `signal` is aborted. */
async function pause(signal: AbortSignal): Promise<void> {
  await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
}
