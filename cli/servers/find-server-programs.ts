import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import { LaunchError } from '../launch-error.ts';
import { type DatabaseProgram, describeDatabaseProgram, type ProgramPlace } from './database-program.ts';
import { kindOfData } from './database-server.ts';
import { isDebianLike, type UnpackedPackages, unpackDebianPackages } from './debian-packages.ts';
import { findInFolders } from './find-program.ts';
import { checkNatsProgram } from './nats-server.ts';

export interface FindOptions {
  needDatabase: boolean;
  needNats: boolean;
  /** Where the database's data is, or will be: data that is there wants the kind of server that made it. */
  databaseFolder: string;
  cacheFolder: string;
  report: (doing: string) => void;
  signal?: AbortSignal | undefined;
}

export interface FoundPrograms {
  database: { program: DatabaseProgram; description: string } | null;
  nats: { place: ProgramPlace; description: string } | null;
}

// Distributions put servers into sbin, which is not on everybody's PATH; Homebrew's kegs may be unlinked.
const SBIN_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/libexec'];
const HOMEBREW_PREFIXES = ['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew'];
const HOMEBREW_KEGS = ['mariadb', 'mysql', 'nats-server'];
const DATABASE_PACKAGES = 'mariadb-server-core|mariadb-server-core-10.6|mysql-server-core-8.0';
const NATS_PACKAGES = 'nats-server';

/**
 * Finds what is needed: on the PATH, then in the folders where packages and Homebrew put servers, then as downloaded
 * Debian packages. Throws a LaunchError with the commands that would install what is missing.
 */
export async function findPrograms(options: FindOptions): Promise<FoundPrograms> {
  const kind = options.needDatabase ? await kindOfData(options.databaseFolder) : null;
  const database = options.needDatabase ? await findInstalledDatabase(kind) : null;
  const nats = options.needNats ? await findInstalledNats() : null;
  const lacking: Lacking = { database: options.needDatabase && !database, nats: options.needNats && !nats };
  if (!lacking.database && !lacking.nats) return { database, nats };
  const downloaded = await downloadPrograms(lacking, options);
  return { database: database ?? downloaded.database, nats: nats ?? downloaded.nats };
}

interface Lacking {
  database: boolean;
  nats: boolean;
}

function installedFolders(): string[] {
  const path = (process.env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  const homebrew = HOMEBREW_PREFIXES.flatMap((prefix) => [
    join(prefix, 'bin'),
    ...HOMEBREW_KEGS.map((keg) => join(prefix, 'opt', keg, 'bin')),
  ]);
  return [...path, ...SBIN_FOLDERS, ...homebrew];
}

/** A program that does not even print its version (a broken installation) is as good as none. */
async function findInstalledDatabase(kind: DatabaseProgram['kind'] | null): Promise<FoundPrograms['database']> {
  for (const name of ['mariadbd', 'mysqld']) {
    const file = findInFolders(name, installedFolders());
    const program = file ? await describeDatabaseProgram({ file }).catch(() => null) : null;
    if (program && (kind === null || program.kind === kind)) return { program, description: describeProgram(program) };
  }
  return null;
}

async function findInstalledNats(): Promise<FoundPrograms['nats']> {
  const file = findInFolders('nats-server', installedFolders());
  const version = file ? await checkNatsProgram({ file }).catch(() => null) : null;
  return file && version ? { place: { file }, description: `NATS ${version} (${file})` } : null;
}

function describeProgram(program: DatabaseProgram, from = program.command): string {
  return `${program.kind === 'mariadb' ? 'MariaDB' : 'MySQL'} ${program.version.split('-')[0]} (${from})`;
}

async function downloadPrograms(lacking: Lacking, options: FindOptions): Promise<FoundPrograms> {
  if (!isDebianLike()) throw new LaunchError(explainInstallation(lacking));
  const names = [...(lacking.database ? [DATABASE_PACKAGES] : []), ...(lacking.nats ? [NATS_PACKAGES] : [])];
  try {
    const packages = await unpackDebianPackages(names, options);
    return await describeUnpacked(packages, lacking).catch(async () => {
      // Unpacked long ago: a library that the machine had then may be gone now.
      await rm(packages.root, { recursive: true, force: true });
      return await describeUnpacked(await unpackDebianPackages(names, options), lacking);
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new LaunchError(`${explainInstallation(lacking)}\n\nDownloading failed: ${messageOf(error)}`);
  }
}

async function describeUnpacked(packages: UnpackedPackages, lacking: Lacking): Promise<FoundPrograms> {
  const { ldLibraryPath, loader } = packages;
  const place = (names: readonly string[]): ProgramPlace => {
    const folders = [join(packages.root, 'usr/sbin'), join(packages.root, 'usr/bin')];
    const file = names.map((name) => findInFolders(name, folders)).find((found) => found !== null);
    if (!file) throw new Error(`no ${names.join(' or ')} in the downloaded packages`);
    return { file, ldLibraryPath, loader };
  };
  const program = lacking.database ? await describeDatabaseProgram(place(['mariadbd', 'mysqld'])) : null;
  const natsPlace = lacking.nats ? place(['nats-server']) : null;
  return {
    database: program && { program, description: describeProgram(program, 'downloaded') },
    nats: natsPlace && { place: natsPlace, description: `NATS ${await checkNatsProgram(natsPlace)} (downloaded)` },
  };
}

function explainInstallation(lacking: Lacking): string {
  const wanted = [...(lacking.database ? ['MariaDB (or MySQL)'] : []), ...(lacking.nats ? ['NATS'] : [])].join(' and ');
  const pick = (database: string, nats: string) =>
    [...(lacking.database ? [database] : []), ...(lacking.nats ? [nats] : [])].join(' ');
  const urls = [
    ...(lacking.database ? ['MYSQL_URL=mysql://user:password@host:3306/faceflow'] : []),
    ...(lacking.nats ? ['NATS_URL=nats://host:4222'] : []),
  ].join(' ');
  return [
    `Faceflow needs ${wanted}, and found no server program on this machine. One of these helps:`,
    `  Debian, Ubuntu:  sudo apt-get install ${pick('mariadb-server-core', 'nats-server')}`,
    `  macOS:           brew install ${pick('mariadb', 'nats-server')}`,
    `  Fedora:          sudo dnf install ${pick('mariadb-server', 'nats-server')}`,
    ...(lacking.nats
      ? ['  NATS, elsewhere: https://github.com/nats-io/nats-server/releases (put nats-server on the PATH)']
      : []),
    `  Servers that run already:  ${urls} npm start`,
    '  Containers:      docker compose -f deploy/compose.yaml up',
  ].join('\n');
}
