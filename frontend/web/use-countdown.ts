import { useEffect, useState } from 'react';

/**
 * Seconds that are left, counting down to 0 between two answers of the receiver.
 *
 * @param answer what told them: with the next one the count begins anew
 */
export function useCountdown(seconds: number | null, answer: unknown): number | null {
  const [until, setUntil] = useState({ answer, ms: Date.now() + (seconds ?? 0) * 1000 });
  const [now, setNow] = useState(Date.now);
  if (until.answer !== answer) setUntil({ answer, ms: Date.now() + (seconds ?? 0) * 1000 });
  const isCounting = seconds !== null;
  useEffect(() => {
    if (!isCounting) return;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isCounting]);
  if (seconds === null) return null;
  return Math.min(seconds, Math.max(0, Math.ceil((until.ms - now) / 1000)));
}
