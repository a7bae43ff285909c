/** One-sided. */
export const CONFIDENCE = 0.95;

/**
 * The rate (0..1) below which the true one lies with 95 % confidence, when so many of so many independent trials went
 * wrong: the exact bound of Clopper and Pearson (Biometrika 26, 1934). Without any error it is the "rule of three", 3/trials.
 */
export function rateAtMost(errors: number, trials: number): number {
  if (errors >= trials) return 1;
  let [low, high] = [errors / trials, 1];
  // Halved until nothing that is printed changes any more.
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (probabilityOfAtMost(errors, trials, middle) > 1 - CONFIDENCE) low = middle;
    else high = middle;
  }
  return high;
}

/** The most errors in so many trials that still show a rate below `rate`; -1: there are too few trials to show it. */
export function mostErrors(rate: number, trials: number): number {
  let [shown, notShown] = [-1, Math.floor(rate * trials) + 1];
  while (notShown - shown > 1) {
    const middle = (shown + notShown) >> 1;
    if (probabilityOfAtMost(middle, trials, rate) <= 1 - CONFIDENCE) shown = middle;
    else notShown = middle;
  }
  return shown;
}

/** Of a binomial distribution; summed from logarithms, since its terms are tiny. */
function probabilityOfAtMost(errors: number, trials: number, rate: number): number {
  if (rate <= 0) return 1;
  if (rate >= 1) return errors >= trials ? 1 : 0;
  const odds = Math.log(rate) - Math.log1p(-rate);
  let term = trials * Math.log1p(-rate);
  let sum = Math.exp(term);
  for (let i = 1; i <= errors; i++) {
    term += Math.log((trials - i + 1) / i) + odds;
    sum += Math.exp(term);
  }
  return sum;
}
