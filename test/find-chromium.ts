import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseCacheFolder } from '../cli/cache-folder.ts';
import { type Chromium, findChromium as findBrowser } from '../cli/servers/chromium.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/** Where downloaded packages are kept between runs. */
export function testCacheFolder(): string {
  return chooseCacheFolder(process.env, PROJECT, join(tmpdir(), `faceflow-test-cache-${process.getuid?.() ?? 0}`));
}

/** A Chromium for playwright. */
export function findChromium(): Promise<Chromium | { skip: string }> {
  return findBrowser(testCacheFolder());
}
