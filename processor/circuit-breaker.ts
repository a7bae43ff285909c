import CircuitBreaker from 'opossum';
import type { BreakerState } from '../lib/processors.ts';

/** The breaker is not closed: nothing was sent. */
export class RecognizerUnavailable extends Error {
  constructor() {
    super('The recognizer is unavailable.');
    this.name = 'RecognizerUnavailable';
  }
}

export interface BreakerOptions {
  /** Whether an error says that the other side is at fault; others are answers. */
  readonly isFault: (error: unknown) => boolean;
  /** Asked after each wait whether a photo may be spent on trying. */
  readonly isHealthy: () => Promise<boolean>;
  /** The first wait, and the longest, ms. */
  readonly firstWaitMs?: number;
  readonly longestWaitMs?: number;
}

export interface BreakerStatus {
  readonly state: BreakerState;
  /** Since when the breaker has not been closed; null while it is. */
  readonly unavailableSince: Date | null;
  /** When the recognizer is asked next whether it is back; null unless the breaker is open. */
  readonly nextAttemptAt: Date | null;
}

export interface Breaker {
  /** @throws RecognizerUnavailable @throws what `call` throws */
  run<Response>(call: () => Promise<Response>, options?: { readonly isTrial?: boolean }): Promise<Response>;
  /**
   * Resolves when one photo may be pulled or sent: the breaker is closed, or half-open and nobody else is let through; or
   * when `signal` is aborted. Call what it returns when the photo has ended, or there was none.
   *
   * @param options.inHand a photo waits: it goes before those who only look for one
   */
  admit(signal: AbortSignal, options?: { readonly inHand?: boolean }): Promise<() => void>;
  /** Resolves when the breaker is closed, or `signal` is aborted. */
  untilClosed(signal: AbortSignal): Promise<void>;
  status(): BreakerStatus;
  /** Called after each change of the status. */
  onChange(listener: (status: BreakerStatus) => void): void;
  shutdown(): void;
}

const FAILURES_TO_OPEN = 5;
const FIRST_WAIT_MS = 10_000;
const LONGEST_WAIT_MS = 5 * 60_000;

/**
 * Opens after 5 failures in a row. While it is open nothing is let through; after a wait, which doubles as long as it does
 * not close in between, it asks for the health of the other side, and lets one call through when that is good: its end
 * closes the breaker or opens it again.
 */
export function openBreaker(options: BreakerOptions): Breaker {
  const { isFault, isHealthy, firstWaitMs = FIRST_WAIT_MS, longestWaitMs = LONGEST_WAIT_MS } = options;
  const waits = growingWaits(firstWaitMs, longestWaitMs);
  const breaker = new CircuitBreaker((call: () => Promise<unknown>) => call(), {
    // The deadline is gRPC's: two clocks would disagree about which call is lost.
    timeout: false,
    resetTimeout: waits.next(),
    errorFilter: (error: unknown) => !isFault(error),
    // Opened by hand below: opossum counts a share of a time window, not failures in a row.
    errorThresholdPercentage: 100,
    volumeThreshold: Number.MAX_SAFE_INTEGER,
  });
  const { options: settings } = breaker as unknown as { options: { resetTimeout: number } };

  const listeners: ((status: BreakerStatus) => void)[] = [];
  let waiting: (() => void)[] = [];
  let inHandWaiting = 0;
  let failuresInARow = 0;
  let unavailableSince: Date | null = null;
  let nextAttemptAt: Date | null = null;
  /** The other side has said that it is well: one call may try. */
  let mayTry = false;
  let trial: object | null = null;

  const status = (): BreakerStatus => ({
    state: breaker.closed ? 'closed' : breaker.halfOpen ? 'half_open' : 'open',
    unavailableSince,
    nextAttemptAt,
  });
  const wake = () => {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };
  const change = () => {
    for (const listener of listeners) listener(status());
    wake();
  };

  breaker.on('success', () => {
    failuresInARow = 0;
  });
  breaker.on('failure', () => {
    failuresInARow += 1;
    if (failuresInARow >= FAILURES_TO_OPEN && breaker.closed) breaker.open();
  });
  breaker.on('open', () => {
    // The timer that has been started waits for as long as was set before.
    nextAttemptAt = new Date(Date.now() + settings.resetTimeout);
    unavailableSince ??= new Date();
    mayTry = false;
    settings.resetTimeout = waits.next();
    change();
  });
  breaker.on('halfOpen', async () => {
    nextAttemptAt = null;
    const healthy = await isHealthy();
    // A call that was under way has decided meanwhile.
    if (!breaker.halfOpen) return;
    if (!healthy) return breaker.open();
    mayTry = true;
    trial = null;
    change();
  });
  breaker.on('close', () => {
    failuresInARow = 0;
    nextAttemptAt = null;
    unavailableSince = null;
    waits.reset();
    settings.resetTimeout = waits.next();
    change();
  });

  function takeTrial(): () => void {
    const own = {};
    trial = own;
    return () => {
      if (trial !== own) return;
      trial = null;
      wake();
    };
  }

  async function untilChange(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const finish = () => {
        signal.removeEventListener('abort', finish);
        resolve();
      };
      waiting.push(finish);
      signal.addEventListener('abort', finish, { once: true });
    });
  }

  return {
    async run<Response>(call: () => Promise<Response>, { isTrial = false } = {}) {
      const mayGo = breaker.closed || (isTrial && mayTry && breaker.pendingClose);
      if (!mayGo) throw new RecognizerUnavailable();
      return (await breaker.fire(call)) as Response;
    },

    async admit(signal, { inHand = false } = {}) {
      inHandWaiting += inHand ? 1 : 0;
      try {
        while (!signal.aborted && !breaker.closed) {
          const isOthersTurn = !inHand && inHandWaiting > 0;
          if (breaker.halfOpen && mayTry && trial === null && !isOthersTurn) return takeTrial();
          await untilChange(signal);
        }
        return () => {};
      } finally {
        inHandWaiting -= inHand ? 1 : 0;
      }
    },

    async untilClosed(signal) {
      while (!signal.aborted && !breaker.closed) await untilChange(signal);
    },

    status,
    onChange: (listener) => listeners.push(listener),
    shutdown: () => breaker.shutdown(),
  };
}

/** Each is double the one before, with jitter of a quarter downwards, so that processors do not all ask at once. */
function growingWaits(firstMs: number, longestMs: number): { next(): number; reset(): void } {
  let base = firstMs;
  return {
    next() {
      const wait = Math.round(base * (0.75 + Math.random() * 0.25));
      base = Math.min(longestMs, base * 2);
      return wait;
    },
    reset() {
      base = firstMs;
    },
  };
}
