import { expect, test } from 'vitest';
import { toPayload, toWebhookEvents } from './webhook-events.ts';

test('who is merged into somebody is removed, and who stays is changed', () => {
  expect(
    toWebhookEvents([
      { action: 'person.merged', personId: 1, details: { people: [2] } },
      { action: 'person.merged', personId: 2, details: { into: 1 } },
      { action: 'person.erased', personId: 3 },
      { action: 'image.deleted', imageId: 4 },
      { action: 'face.named', personId: 5, imageId: 4, faceId: 6 },
    ]),
  ).toEqual([
    { kind: 'person.changed', personId: 1 },
    { kind: 'person.removed', personId: 2 },
    { kind: 'person.removed', personId: 3 },
    { kind: 'image.deleted', imageId: 4 },
    { kind: 'person.changed', personId: 5 },
  ]);
});

test('what changes nobody is not told', () => {
  expect(
    toWebhookEvents([
      { action: 'enrolment.requested', personId: 1 },
      { action: 'person.erasure_begun', personId: 1 },
      { action: 'key.made' },
      { action: 'threshold.set' },
      { action: 'image.retried', imageId: 1 },
    ]),
  ).toEqual([]);
});

test('a message is that of Standard Webhooks', () => {
  expect(JSON.parse(toPayload('image.finished', new Date(0), { imageId: 4, status: 'matched' }))).toEqual({
    type: 'image.finished',
    timestamp: '1970-01-01T00:00:00.000Z',
    data: { imageId: 4, status: 'matched' },
  });
});
