import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { canUnpackOtherReleases, unpackDebianPackages } from '../../cli/servers/debian-packages.ts';

/** What a program's environment needs so that its clock is off by `offset`, such as `+2h`. */
export type ShiftClock = (offset: string) => NodeJS.ProcessEnv;

const LIBRARY = 'libfaketimeMT.so.1';

/** By libfaketime, from Debian's package; null where there is none. What measures time (monotonic clocks) stays right. */
export async function findShiftedClock(cacheFolder: string): Promise<ShiftClock | null> {
  if (!canUnpackOtherReleases()) return null;
  const { ldLibraryPath } = await unpackDebianPackages(['libfaketime'], { cacheFolder });
  const library = ldLibraryPath
    .split(':')
    .map((folder) => join(folder, LIBRARY))
    .find((file) => existsSync(file));
  if (library === undefined) throw new Error(`no ${LIBRARY} in ${ldLibraryPath}`);
  return (offset) => ({ LD_PRELOAD: library, FAKETIME: offset, DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_RESET: '1' });
}
