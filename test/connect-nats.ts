import { connect, type NatsConnection } from '@nats-io/transport-node';

/** A plain connection, for what only a test does to a stream. */
export function connectNats(url: string): Promise<NatsConnection> {
  const { host, username, password } = new URL(url);
  return connect({ servers: host, ...(password ? { user: username, pass: password } : { token: username }) });
}
