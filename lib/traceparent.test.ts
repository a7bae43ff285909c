import { trace } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { formatTrace, readTrace } from './traceparent.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

const read = (headers: Record<string, string>) => trace.getSpanContext(readTrace((name) => headers[name]));

test('what is written is read again', () => {
  for (const traceFlags of [0, 1]) {
    const headers = formatTrace({ traceId: TRACE, spanId: SPAN, traceFlags });
    expect(headers).toEqual({ traceparent: `00-${TRACE}-${SPAN}-0${traceFlags}` });
    expect(read(headers)).toEqual({ traceId: TRACE, spanId: SPAN, traceFlags, isRemote: true });
  }
});

test("others' state goes along", () => {
  const headers = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7' };
  const span = read(headers);
  expect(span && formatTrace(span)).toEqual(headers);
});

test.each([
  ['', 'nothing'],
  [TRACE, 'an id alone'],
  [`00-${'0'.repeat(32)}-${SPAN}-01`, 'no trace'],
  [`00-${TRACE}-${'0'.repeat(16)}-01`, 'no span'],
  [`00-${TRACE.toUpperCase()}-${SPAN}-01`, 'upper case'],
  [`00-${TRACE}-${SPAN}-01-more`, 'more than version 00 has'],
  [`ff-${TRACE}-${SPAN}-01`, 'a version that will never be'],
  [`00-${TRACE}-${SPAN}-01\n{"level":"fatal"}`, 'a line break'],
])('%j is no parent: %s', (traceparent) => {
  expect(read({ traceparent })).toBeUndefined();
});

test('a later version is understood as far as this one goes', () => {
  expect(read({ traceparent: `01-${TRACE}-${SPAN}-03-later` })).toMatchObject({ traceId: TRACE, traceFlags: 1 });
});

test('a span without an id is not told of', () => {
  expect(formatTrace({ traceId: '0'.repeat(32), spanId: SPAN, traceFlags: 1 })).toEqual({});
});
