import { expect, test } from 'vitest';
import { describeStatus, type Status } from './describe-status.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const at = (secondsAgo: number) => new Date(NOW - secondsAgo * 1_000).toISOString();
const AS = { url: 'http://127.0.0.1:8000', perSecond: null, now: NOW };

const replica = { name: 'host/1', startedAt: at(7_300), leads: [], breaker: null, gallery: null, workers: null };
const status: Status = {
  stats: {
    images: { pending: 3, matched: 2, unreadable: 4 },
    queue: { pending: 3, inFlight: 1 },
    processing: { message: null },
  },
  jobs: [
    { name: 'rematch', done: 40, total: 100, startedAt: at(9), finishedAt: null },
    { name: 'clusters', done: 7, total: 7, startedAt: at(100), finishedAt: at(90) },
    { name: 'sweep', done: 0, total: 0, startedAt: null, finishedAt: null },
  ],
  system: {
    replicas: [
      { ...replica, service: 'processor', leads: ['rematch'], breaker: { state: 'open', nextAttemptInSeconds: 40 } },
      { ...replica, service: 'recognizer', gallery: { model: 'face-api-1', faces: 16 }, workers: 2 },
    ],
    reasons: [{ status: 'unreadable', reason: 'file_not_found', count: 4 }],
  },
};

/** Without what only makes it line up. */
const wordsOf = (text: string) => text.split('\n').map((line) => line.trim().replaceAll(/ {2,}/g, ' | '));

test('what waits, what ended without an answer, who is there, and what the jobs do', () => {
  expect(wordsOf(describeStatus(status, AS))).toEqual([
    'http://127.0.0.1:8000: 3 wait in the queue, 1 are being looked at',
    '',
    ...['images', expect.stringMatching(/^─/), 'pending | 3', 'matched | 2', 'unreadable | 4', ''],
    ...['without an answer | why', expect.stringMatching(/^─/), 'unreadable | file_not_found | 4', ''],
    ...['process | where | since', expect.stringMatching(/^─/)],
    'processor | host/1 | 2 h ago | breaker open, next try in 40 s',
    ...['recognizer | host/1 | 2 h ago | 16 references (face-api-1), 2 photos at once', ''],
    ...['job | how far | run by', expect.stringMatching(/^─/)],
    'rematch | 40 of 100 | host/1',
    'clusters | did something 1 min ago | nobody',
    'sweep | nothing to do so far | nobody',
  ]);
});

test('why nothing is looked at, and a queue that is away, are said first', () => {
  const message = 'paused: recognizer unavailable since 11:58';
  const { images } = status.stats;
  const paused: Status = {
    ...{ jobs: [], system: { replicas: [], reasons: [] } },
    stats: { images, queue: null, processing: { message } },
  };
  expect(wordsOf(describeStatus(paused, AS)).slice(0, 4)).toEqual([
    'http://127.0.0.1:8000: the queue cannot be reached',
    '',
    message,
    '',
  ]);
});
