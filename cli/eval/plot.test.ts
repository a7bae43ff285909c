import { expect, test } from 'vitest';
import { rocOf } from './plot.ts';
import { escapeXml } from './plot-panel.ts';

test('the ROC curve rises in steps, from no wrong acceptance to all', () => {
  const genuine = Float64Array.of(0.2, 0.3, 0.5, 0.7);
  const impostor = Float64Array.of(0.5, 0.6, 0.9);
  // Below 0.5 two of four are accepted, below 0.6 three, below 0.9 all.
  expect(rocOf(genuine, impostor)).toEqual([
    [0, 0.5],
    [1 / 3, 0.5],
    [1 / 3, 0.75],
    [2 / 3, 0.75],
    [2 / 3, 1],
    [1, 1],
    [1, 1],
  ]);
});

test('of many pairs some hundreds of corners are drawn', () => {
  const many = Float64Array.from({ length: 1_000_000 }, (_, index) => index / 1e6);
  const points = rocOf(many, many);
  expect(points.length).toBeLessThan(1300);
  expect(points.at(-1)).toEqual([1, 1]);
});

test('the name of a folder cannot break the document', () => {
  expect(escapeXml('a<b>&"\u0007')).toBe('a&#60;b&#62;&#38;&#34;�');
});
