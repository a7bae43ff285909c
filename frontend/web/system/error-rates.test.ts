import { expect, test } from 'vitest';
import { ratesAt } from './error-rates.ts';

const rates = [
  { threshold: 0, falseAcceptRate: 0, falseRejectRate: 1 },
  { threshold: 0.01, falseAcceptRate: 0.2, falseRejectRate: 0.5 },
];

test('at a known threshold, between two, and beyond', () => {
  expect(ratesAt(rates, 0.01)).toEqual({ falseAcceptRate: 0.2, falseRejectRate: 0.5 });
  expect(ratesAt(rates, 0.005)).toEqual({ falseAcceptRate: 0.1, falseRejectRate: 0.75 });
  expect(ratesAt(rates, 0)).toEqual({ falseAcceptRate: 0, falseRejectRate: 1 });
  expect(ratesAt(rates, 0.7)).toEqual({ falseAcceptRate: 0.2, falseRejectRate: 0.5 });
});

test('nothing to go by', () => {
  const unknown = [{ threshold: 0, falseAcceptRate: null, falseRejectRate: 0 }];
  expect(ratesAt(unknown, 0)).toEqual({ falseAcceptRate: null, falseRejectRate: 0 });
  expect(ratesAt([], 0.5)).toEqual({ falseAcceptRate: null, falseRejectRate: null });
});
