import type { Rates } from '../api-system.ts';

/** The rates at a threshold; between two that are known, in proportion. Null where there is nothing to go by. */
export function ratesAt(
  rates: readonly Rates[],
  threshold: number,
): { falseAcceptRate: number | null; falseRejectRate: number | null } {
  const above = rates.findIndex((rate) => rate.threshold >= threshold - 1e-9);
  const upper = rates[above] ?? rates.at(-1);
  const lower = rates[above - 1] ?? upper;
  const step = (upper?.threshold ?? 0) - (lower?.threshold ?? 0);
  const share = step === 0 ? 1 : Math.min(1, (threshold - (lower?.threshold ?? 0)) / step);
  const between = (low: number | null | undefined, high: number | null | undefined) =>
    low == null || high == null ? null : low + (high - low) * share;
  return {
    falseAcceptRate: between(lower?.falseAcceptRate, upper?.falseAcceptRate),
    falseRejectRate: between(lower?.falseRejectRate, upper?.falseRejectRate),
  };
}
