import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDebianLike, unpackDebianPackages } from './debian-packages.ts';
import { findInFolders, findOnPath } from './find-program.ts';

export interface Chromium {
  executablePath: string;
  /** For playwright's `env`: where its libraries and fonts are. */
  env: Record<string, string>;
  /** For playwright's `args`. */
  args: string[];
}

const BROWSER_NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];
const BROWSER_PACKAGES = ['chromium-headless-shell', 'fonts-dejavu-core', 'fontconfig-config'];

/**
 * A Chromium for playwright: `CHROMIUM_PATH`, one on the PATH, or Debian's headless shell (96 MB the first time).
 *
 * @returns `skip`: why there is none on this machine
 */
export async function findChromium(cacheFolder: string): Promise<Chromium | { skip: string }> {
  // Chromium's sandbox refuses to work for root, and in most containers.
  const args = ['--no-sandbox'];
  const installed =
    process.env.CHROMIUM_PATH ?? BROWSER_NAMES.map((name) => findOnPath(name)).find((it) => it !== null);
  const base = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? tmpdir() };
  if (installed) return { executablePath: installed, env: base, args };
  if (!isDebianLike())
    return { skip: 'no Chromium on the PATH (or in CHROMIUM_PATH), and this machine is not a Debian' };
  const { root, ldLibraryPath } = await unpackDebianPackages(BROWSER_PACKAGES, { cacheFolder });
  // What lies in usr/bin is a script that looks for the browser in the real /usr/lib.
  const executablePath = findInFolders('chromium-headless-shell', [join(root, 'usr/lib/chromium')]);
  if (!executablePath) throw new Error(`no usr/lib/chromium/chromium-headless-shell in ${root}`);
  const fontconfig = await writeFontConfiguration(root);
  return { executablePath, env: { ...base, LD_LIBRARY_PATH: ldLibraryPath, FONTCONFIG_FILE: fontconfig }, args };
}

/** Without fonts of its own the page would render as boxes. */
async function writeFontConfiguration(root: string): Promise<string> {
  const file = join(root, 'faceflow-fonts.conf');
  const cache = join(tmpdir(), `faceflow-fonts-${process.getuid?.() ?? 0}`);
  await mkdir(cache, { recursive: true });
  const folders = [join(root, 'usr/share/fonts'), '/usr/share/fonts'].map((it) => `<dir>${it}</dir>`).join('');
  const aliases = ['system-ui', 'sans-serif'].map(
    (family) => `<alias><family>${family}</family><prefer><family>DejaVu Sans</family></prefer></alias>`,
  );
  await writeFile(
    file,
    `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>${folders}${aliases.join('')}<cachedir>${cache}</cachedir></fontconfig>\n`,
  );
  return file;
}
