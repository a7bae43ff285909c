import { expect, test } from 'vitest';
import { countInBins, suggestThreshold } from './suggest-threshold.ts';

const spread = (count: number, from: number, to: number) =>
  Float64Array.from({ length: count }, (_, i) => from + ((to - from) * i) / count);

test('the threshold lies where strangers begin, when there are enough of them to say so', () => {
  const impostor = spread(10_000, 0.5, 1.5);
  const suggestion = suggestThreshold({ genuine: spread(100, 0.3, 0.6), impostor }, 0.001);
  // 4 of 10,000 strangers may be nearer: the fifth is at 0.5004.
  expect(suggestion).toMatchObject({ threshold: 0.5, sure: true, trials: 10_000, falseAccepts: 1, needed: 3_000 });
  expect(suggestion.falseAcceptRateAtMost).toBeLessThan(0.001);
  expect(suggestion.falseRejectRate).toBeCloseTo(1 / 3, 1);
  const looser = suggestThreshold({ genuine: spread(100, 0.3, 0.6), impostor }, 0.1);
  expect(looser.threshold).toBeGreaterThan(0.58);
  expect(looser.falseAcceptRateAtMost).toBeLessThanOrEqual(0.1);
});

test('with few strangers it takes none of them, and is not sure', () => {
  const impostor = spread(60, 0.62, 0.9);
  expect(suggestThreshold({ genuine: new Float64Array(), impostor }, 0.001)).toMatchObject({
    ...{ threshold: 0.619, sure: false, trials: 60, falseAccepts: 0, falseRejectRate: null },
    falseAcceptRateAtMost: expect.closeTo(3 / 60, 2),
  });
  expect(suggestThreshold({ genuine: new Float64Array(), impostor }, 0.06)).toMatchObject({ sure: true });
});

test('it never exceeds what thresholds may be, and says nothing of nothing', () => {
  const far = { genuine: new Float64Array(), impostor: spread(100, 1, 1.2) };
  expect(suggestThreshold(far, 0.1)).toMatchObject({ threshold: 0.7, falseAccepts: 0, sure: true });
  const nothing = { genuine: new Float64Array(), impostor: new Float64Array() };
  expect(suggestThreshold(nothing, 0.1)).toMatchObject({ threshold: null, sure: false, falseAcceptRateAtMost: null });
});

test('bins hold what begins in them', () => {
  const { counts, beyond, binWidth } = countInBins(Float64Array.from([0, 0.005, 0.01, 1.195, 1.2, 1.7]));
  expect([counts.length, binWidth]).toEqual([120, 0.01]);
  expect([counts[0], counts[1], counts[119], beyond]).toEqual([2, 1, 1, 2]);
});
