import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';

/** What passes between a benchmark and its children: every order is answered by the reply of its kind. */
export interface Message {
  readonly kind: string;
}

export interface Child<Order extends Message, Reply extends Message> {
  /** From the start of the process until it could take orders. */
  readonly msSinceStart: number;
  readonly pid: number;
  ask<Kind extends Order['kind']>(order: Extract<Order, { kind: Kind }>): Promise<Extract<Reply, { kind: Kind }>>;
  stop(): void;
}

type Ready = Message & { readonly kind: 'ready'; readonly msSinceStart: number };

/**
 * Runs a module of this folder in a process of its own, so that neither memory nor garbage of one burdens another.
 *
 * @param name without its extension; it says `ready` when it can take orders
 */
export async function startChild<Order extends Message, Reply extends Message>(
  name: string,
  args: readonly string[],
): Promise<Child<Order, Reply>> {
  const child = fork(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url), args);
  const ready: Ready = await nextReply<Ready, 'ready'>(child, 'ready');
  return {
    msSinceStart: ready.msSinceStart,
    pid: child.pid as number,
    ask(order) {
      child.send(order);
      return nextReply(child, order.kind);
    },
    stop: () => void child.kill(),
  };
}

async function nextReply<Reply extends Message, Kind extends string>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<Reply, { kind: Kind }>> {
  const ended = new AbortController();
  const reply = once(child, 'message', { signal: ended.signal });
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`A process that was to be measured ended with code ${code}.`);
  });
  try {
    const [message] = (await Promise.race([reply, exit])) as [Reply];
    if (message.kind !== kind) throw new Error(`Expected a reply of kind ${kind}, got ${message.kind}.`);
    return message as Extract<Reply, { kind: Kind }>;
  } finally {
    ended.abort();
    await Promise.allSettled([reply, exit]);
  }
}
