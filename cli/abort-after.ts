import { setMaxListeners } from 'node:events';

/**
 * Aborted after `ms`, or as soon as one of the signals is. (`AbortSignal.any` of an `AbortSignal.timeout` looks the same, but
 * Node 20 forgets the timeout when it collects garbage, and then nothing is ever aborted.)
 */
export function abortAfter(ms: number, ...signals: readonly AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new DOMException('no answer in time', 'TimeoutError')), ms);
  timer.unref();
  for (const signal of signals) {
    // Whoever asks often with the same signal is no leak: each listener goes with its time.
    setMaxListeners(0, signal);
    const abort = () => {
      clearTimeout(timer);
      controller.abort(signal.reason);
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true, signal: controller.signal });
  }
  return controller.signal;
}
