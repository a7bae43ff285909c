import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../run-command.ts';
import { findOnPath } from './find-program.ts';

/**
 * Debian and Ubuntu packages, downloaded and unpacked by any user, without touching the machine's own package
 * database: apt runs on a private configuration (its own lists, cache and log), dpkg-deb only unpacks, and no
 * maintainer script is ever executed. apt checks the signatures of the lists and the hashes of the packages as always.
 */
export interface UnpackedPackages {
  /** Folder that holds usr/, etc/ and so on. */
  root: string;
  /** For LD_LIBRARY_PATH, or `--library-path` of the loader. */
  ldLibraryPath: string;
  /**
   * The unpacked packages' own dynamic loader; null for packages of the machine's own release. Programs of another
   * release need another C library than the machine's, and start only as `loader --library-path … program`.
   */
  loader: string | null;
}

export interface UnpackOptions {
  /** Folder that keeps what has been unpacked; see chooseCacheFolder. */
  cacheFolder: string;
  /** A Debian release other than the machine's, such as `sid`: fetched with all its libraries. */
  release?: string;
  /** Told what happens, one short phrase each. */
  report?: (doing: string) => void;
  signal?: AbortSignal | undefined;
}

interface Package {
  /** As `apt-get download` takes it: name=version. */
  wanted: string;
  bytes: number;
}

const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const ABANDONED_AFTER_MS = 60 * 60 * 1000;
// The machine's C library must go with the machine's loader; another build of it, loaded beside, crashes.
const MACHINE_OWNED = /^(libc6|libc-bin|base-passwd|passwd|adduser|debconf|perl.*)$/;

/** Whether this machine is one on which unpackDebianPackages can work. */
export function isDebianLike(): boolean {
  return existsSync('/etc/debian_version') && findOnPath('apt-get') !== null && findOnPath('dpkg-deb') !== null;
}

/** Whether packages of another Debian release can be fetched: needs Debian's signing keys. */
export function canUnpackOtherReleases(): boolean {
  return isDebianLike() && existsSync(DEBIAN_KEYRING);
}

/**
 * Makes the packages and whatever libraries they need and the machine lacks available below one folder. A name may
 * list alternatives (`mariadb-server-core|mariadb-server-core-10.6`): the first that the release has is taken.
 * What is in the cache is used as it is. Several processes may call this at once, and an interrupted one leaves
 * nothing that a later one would take for complete: a folder gets its final name only when everything is in it.
 * Throws an Error with apt's own words when the packages cannot be had.
 */
export async function unpackDebianPackages(
  names: readonly string[],
  options: UnpackOptions,
): Promise<UnpackedPackages> {
  const root = join(options.cacheFolder, distributionKey(options.release), setName(names));
  if (!existsSync(root)) await buildRoot(root, names, options);
  return describeRoot(root, options.release !== undefined);
}

async function buildRoot(root: string, names: readonly string[], options: UnpackOptions): Promise<void> {
  const parent = join(root, '..');
  await mkdir(parent, { recursive: true });
  await removeAbandoned(parent);
  const workshop = join(parent, `.${process.pid}-${randomUUID()}`);
  try {
    const apt = await configureApt(workshop, options);
    options.report?.('reading the package lists');
    await refreshLists(apt, options.signal);
    const packages = await resolvePackages(apt, names, options);
    const megabytes = packages.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
    options.report?.(`downloading ${names.map(firstName).join(', ')} (${megabytes.toFixed(0)} MB)`);
    const downloads = join(workshop, 'downloads');
    const unpacked = join(workshop, 'root');
    await mkdir(downloads);
    await mkdir(unpacked);
    const wanted = packages.map((it) => it.wanted);
    await runCommand('apt-get', ['-c', apt, 'download', ...wanted], {
      cwd: downloads,
      env: plainEnv(),
      signal: options.signal,
    });
    options.report?.(`unpacking ${packages.length} packages`);
    for (const file of await readdir(downloads)) {
      await runCommand('dpkg-deb', ['-x', join(downloads, file), unpacked], {
        env: plainEnv(),
        signal: options.signal,
      });
    }
    await moveIntoPlace(unpacked, root);
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

async function moveIntoPlace(unpacked: string, root: string): Promise<void> {
  try {
    await rename(unpacked, root);
  } catch (error) {
    // Somebody else was quicker: theirs is as good as ours.
    if (!existsSync(root)) throw error;
  }
}

/** Writes the private configuration and returns its path. It is given with `-c`, which is read last and so has the last word. */
async function configureApt(workshop: string, { release }: UnpackOptions): Promise<string> {
  const at = (name: string) => join(workshop, name);
  for (const folder of ['state', 'lists/partial', 'cache/archives/partial', 'log']) {
    await mkdir(at(folder), { recursive: true });
  }
  const settings = [
    `Dir::State "${at('state')}";`,
    `Dir::State::lists "${at('lists')}";`,
    `Dir::State::status "${release ? at('no-packages') : '/var/lib/dpkg/status'}";`,
    `Dir::Cache "${at('cache')}";`,
    `Dir::Log "${at('log')}";`,
    'APT::Sandbox::User "";',
    'APT::Install-Recommends "false";',
    'Acquire::Languages "none";',
    'Acquire::http::Timeout "20";',
    'Acquire::Retries "2";',
    'Debug::NoLocking "1";',
    // The machine's own hooks belong to the machine's own updates.
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '#clear DPkg::Post-Invoke;',
  ];
  await writeFile(at('no-packages'), '');
  if (release) {
    const source = `deb [signed-by=${DEBIAN_KEYRING}] ${await debianMirror()} ${release} main\n`;
    await writeFile(at('sources.list'), source);
    settings.push(`Dir::Etc::sourcelist "${at('sources.list')}";`, 'Dir::Etc::sourceparts "-";');
  }
  await writeFile(at('apt.conf'), `${settings.join('\n')}\n`);
  return at('apt.conf');
}

/** The mirror that the machine already uses, so that a company's own mirror or proxy is honoured. */
async function debianMirror(): Promise<string> {
  const targets = await runCommand('apt-get', ['indextargets', '--format', '$(REPO_URI)'], { env: plainEnv() }).catch(
    () => '',
  );
  const own = targets.split('\n').find((uri) => /\/debian\/?$/.test(uri));
  return own ?? 'http://deb.debian.org/debian';
}

/** A source of the machine that cannot be reached need not be the one we want: what matters is whether our packages are found. */
async function refreshLists(apt: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await runCommand('apt-get', ['-c', apt, 'update', '-q'], { env: plainEnv(), signal });
  } catch (error) {
    signal?.throwIfAborted();
    const available = await runCommand('apt-cache', ['-c', apt, 'pkgnames', 'libc6'], { env: plainEnv() }).catch(
      () => '',
    );
    if (!available.trim()) throw error;
  }
}

async function resolvePackages(apt: string, names: readonly string[], options: UnpackOptions): Promise<Package[]> {
  const chosen: string[] = [];
  for (const alternatives of names) chosen.push(await chooseAlternative(apt, alternatives));
  const ask = async (...extra: string[]) =>
    parseUris(
      await runCommand(
        'apt-get',
        ['-c', apt, ...extra, 'install', '--print-uris', '-qq', '-y', '--allow-downgrades', ...chosen],
        {
          env: plainEnv(),
          signal: options.signal,
        },
      ),
    );
  if (options.release) return await ask();
  const found = await askWithMachineState(ask, join(apt, '..', 'no-packages'));
  return found.filter((it) => !MACHINE_OWNED.test(it.wanted.split('=')[0] ?? ''));
}

/**
 * Usually only what the machine lacks. Where apt refuses (unmet dependencies on the machine, or the package is
 * installed but not on the PATH, so that apt finds nothing to do), everything, as for an empty machine.
 */
async function askWithMachineState(ask: (...extra: string[]) => Promise<Package[]>, empty: string): Promise<Package[]> {
  const found = await ask().catch(() => []);
  return found.length > 0 ? found : await ask('-o', `Dir::State::status=${empty}`);
}

async function chooseAlternative(apt: string, alternatives: string): Promise<string> {
  const names = alternatives.split('|');
  for (const name of names) {
    const policy = await runCommand('apt-cache', ['-c', apt, 'policy', name], { env: plainEnv() });
    if (/Candidate: (?!\(none\))/.test(policy)) return name;
  }
  throw new Error(`apt knows no package ${names.join(' or ')}`);
}

/** Lines such as `'http://…/libaio1_0.3.113-4_amd64.deb' libaio1_0.3.113-4_amd64.deb 13360 SHA256:…`; a colon in a version is %3a. */
function parseUris(output: string): Package[] {
  return output.split('\n').flatMap((line) => {
    const [, file, bytes] = /^'[^']+' (\S+) (\d+)/.exec(line) ?? [];
    const [name, version] = (file ?? '').split('_');
    return name && version ? [{ wanted: `${name}=${decodeURIComponent(version)}`, bytes: Number(bytes) }] : [];
  });
}

async function describeRoot(root: string, withLoader: boolean): Promise<UnpackedPackages> {
  const folders: string[] = [];
  for (const base of ['usr/lib', 'lib'].map((name) => join(root, name))) {
    const names = await readdir(base).catch(() => []);
    for (const triplet of names.filter((name) => name.includes('-linux-gnu'))) {
      folders.push(join(base, triplet), ...(await privateLibraryFolders(join(base, triplet))));
    }
    if (names.length > 0) folders.push(base);
  }
  return { root, ldLibraryPath: folders.join(':'), loader: withLoader ? await findLoader(folders) : null };
}

/** Such as pulseaudio/, which installed libraries find by an absolute path that is not theirs here. */
async function privateLibraryFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries.filter((it) => it.isDirectory())) {
    const names = await readdir(join(folder, entry.name));
    if (names.some((name) => /^lib.*\.so/.test(name))) found.push(join(folder, entry.name));
  }
  return found;
}

async function findLoader(folders: readonly string[]): Promise<string | null> {
  for (const folder of folders) {
    const name = (await readdir(folder)).find((it) => /^ld-linux.*\.so\.\d+$/.test(it));
    if (name) return join(folder, name);
  }
  return null;
}

/** What a killed process left half-way. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith('.')) continue;
    const started = (await stat(join(parent, name)).catch(() => null))?.mtimeMs ?? Date.now();
    if (Date.now() - started > ABANDONED_AFTER_MS) await rm(join(parent, name), { recursive: true, force: true });
  }
}

function distributionKey(release: string | undefined): string {
  return `${release ?? machineRelease()}-${process.arch}`;
}

function machineRelease(): string {
  const text = readFileSync('/etc/os-release', 'utf8');
  const value = (key: string) => new RegExp(`^${key}="?([^"\n]*)`, 'm').exec(text)?.[1] ?? '';
  return `${value('ID')}-${value('VERSION_ID') || value('VERSION_CODENAME') || 'rolling'}`;
}

function setName(names: readonly string[]): string {
  const hash = createHash('sha256').update(names.join('\n')).digest('hex').slice(0, 8);
  return `${firstName(names[0] ?? 'packages')}-${hash}`;
}

function firstName(alternatives: string): string {
  return alternatives.split('|')[0] ?? alternatives;
}

/** apt's words are parsed and shown: in English, and without questions. */
function plainEnv(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', LANGUAGE: 'C', DEBIAN_FRONTEND: 'noninteractive' };
}
