import { expect, test } from 'vitest';
import { createWaitingLine, LineFullError } from './waiting-line.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('lets in as many as there are slots, the others in order of arrival', async () => {
  const line = createWaitingLine({ slots: 2, maxWaiting: 10 });
  const inside: number[] = [];
  const leaves: (() => void)[] = [];
  for (const guest of [1, 2, 3, 4]) {
    void line.enter().then((leave) => {
      inside.push(guest);
      leaves.push(leave);
    });
  }
  await settled();
  expect([inside, line.waiting]).toEqual([[1, 2], 2]);
  leaves[1]?.();
  await settled();
  expect([inside, line.waiting]).toEqual([[1, 2, 3], 1]);
});

test('turns away when too many wait, but not those who may always wait', async () => {
  const line = createWaitingLine({ slots: 1, maxWaiting: 1 });
  const leave = await line.enter();
  const second = line.enter();
  await expect(line.enter()).rejects.toThrow(LineFullError);
  const patient = line.enter({ evenIfFull: true });
  expect(line.waiting).toBe(2);
  leave();
  (await second)();
  (await patient)();
  // Every slot has come back.
  await line.enter();
});

test('who gives up leaves the line and costs no slot', async () => {
  const line = createWaitingLine({ slots: 1, maxWaiting: 5 });
  const leave = await line.enter();
  const impatient = new AbortController();
  const waiting = line.enter({ signal: impatient.signal });
  const next = line.enter();
  impatient.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  expect(line.waiting).toBe(1);
  leave();
  (await next)();
  await expect(line.enter({ signal: impatient.signal })).rejects.toThrow('gone');
});

test('giving up after having been let in changes nothing', async () => {
  const line = createWaitingLine({ slots: 1, maxWaiting: 5 });
  const first = await line.enter();
  const late = new AbortController();
  const second = line.enter({ signal: late.signal });
  first();
  late.abort(new Error('too late'));
  (await second)();
  await line.enter();
});
