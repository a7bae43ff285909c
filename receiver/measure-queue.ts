import { Gauge } from 'prom-client';
import type { ImageQueue } from '../lib/image-queue.ts';
import { type Metrics, shareAnswer } from '../lib/metrics.ts';

/**
 * Tells how much waits in the queue, each time that somebody scrapes. Every receiver tells the same; while the queue cannot be
 * asked none tells anything.
 */
export function measureQueue(
  metrics: Metrics,
  queue: Pick<ImageQueue, 'backlog' | 'oldestWaiting' | 'replicas'>,
): void {
  const ask = shareAnswer(async () => {
    const asked = [queue.backlog(), queue.oldestWaiting(), queue.replicas()] as const;
    const [{ pending, inFlight }, oldest, replicas] = await Promise.all(asked);
    // The queue's clock and ours may disagree.
    return { pending, inFlight, ageSeconds: Math.max(0, (Date.now() - oldest.getTime()) / 1_000), replicas };
  });
  new Gauge({
    name: 'faceflow_queue_messages',
    help: 'Ids in the queue: pending (waiting to be handed out), in_flight (handed out, not yet ended).',
    labelNames: ['state'],
    registers: [metrics],
    async collect() {
      const answer = await ask();
      this.reset();
      if (answer === null) return;
      this.set({ state: 'pending' }, answer.pending);
      this.set({ state: 'in_flight' }, answer.inFlight);
    },
  });
  new Gauge({
    name: 'faceflow_queue_oldest_message_age_seconds',
    help: 'How long the id that is handed out next has been waiting; 0 when none waits.',
    registers: [metrics],
    async collect() {
      const answer = await ask();
      this.remove();
      if (answer !== null) this.set(answer.ageSeconds);
    },
  });
  new Gauge({
    name: 'faceflow_queue_replicas',
    help: 'Servers that keep the queue: current, or behind (away, or still catching up).',
    labelNames: ['state'],
    registers: [metrics],
    async collect() {
      const answer = await ask();
      this.reset();
      if (answer === null) return;
      this.set({ state: 'current' }, answer.replicas.current);
      this.set({ state: 'behind' }, answer.replicas.behind);
    },
  });
}
