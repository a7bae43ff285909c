import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { expect, test } from 'vitest';
import { ATTRIBUTES, OUR_ATTRIBUTES } from './trace-names.ts';

test('attributes have the names of the semantic conventions, and ours are none of theirs', () => {
  const known = new Set<unknown>(Object.values(conventions));
  for (const name of Object.values(ATTRIBUTES)) expect(known).toContain(name);
  for (const name of Object.values(OUR_ATTRIBUTES)) expect(known).not.toContain(name);
});
