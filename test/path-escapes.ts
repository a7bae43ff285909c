import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { samplePhoto } from './sample-photos.ts';

export interface Escapes {
  /** IMAGE_ROOTS. */
  readonly roots: readonly [string, string];
  /** A photo with faces inside the first root. */
  readonly good: string;
  /** Every one leads out, or to something that is no photo. */
  readonly paths: readonly string[];
  close(): void;
}

/** Ways to write `../` that something on the way might take for it. */
const DOT_DOTS = [
  ...['../', '..//', './../', '..\\', '..\\/', '.\\..\\', '..;/', '..;a=b/', '.. /', ' ../', '.../', '..../', '....//'],
  ...['..%2f', '..%2F', '..%5c', '%2e%2e/', '%2e%2e%2f', '%2E%2E%5C', '%2e./', '.%2e/', '..%252f', '%252e%252e%252f'],
  ...['..%c0%af', '%c0%ae%c0%ae/', '%c0%ae%c0%ae%c0%af', '..%c1%9c', '%e0%80%ae%e0%80%ae/', '%f0%80%80%ae./', '..%00/'],
  ...['%uff0e%uff0e/', '%u002e%u002e%u2215', '..%u2216', '..%ef%bc%8f', '&#46;&#46;/', '&period;&period;&sol;'],
  ...['\\u002e\\u002e/', '\\x2e\\x2e/', '\\056\\056/', '..\\057', '$(printf ..)/', '{..}/', '[.][.]/', '.*/'],
  ...['．．/', '..／', '．．／', '..∕', '..⁄', '..⧸', '‥/', '․․/', '…/', '。。/', '..＼', '..﹨', '··/', '٠٠/'],
  ...[
    '.\u200b./',
    '..\u200b/',
    '.\u200d./',
    '\ufeff../',
    '\u202e/..',
    '.\u0301./',
    '..\u00a0/',
    '..\u3000/',
    '.\u00ad./',
  ],
  ...['..\0/', '\0../', '..\t/', '..\n/', '..\r\n/', '.\u007f./', '..\u0001/', '\ud800../', '..\udfff/'],
];

/** Their names mean something somewhere else. */
const WINDOWS = [
  ...[
    'C:\\Windows\\win.ini',
    'C:/Windows/win.ini',
    'c:secret.jpg',
    '\\secret.jpg',
    '..\\..\\secret.jpg',
    '/c:/secret.jpg',
  ],
  ...['\\\\127.0.0.1\\c$\\secret.jpg', '\\\\?\\C:\\secret.jpg', '\\\\?\\UNC\\127.0.0.1\\c$\\a.jpg', '\\\\.\\pipe\\a'],
  ...[
    '//127.0.0.1/c$/secret.jpg',
    '\\??\\C:\\secret.jpg',
    'CON',
    'NUL',
    'aux.jpg',
    'COM1',
    'LPT1.jpg',
    'good.jpg:stream',
  ],
  ...['good.jpg::$DATA', 'GOOD~1.JPG', 'good.jpg.', 'good.jpg ', 'good.jpg\\..\\..\\secret.jpg'],
];

const SYSTEM = [
  ...['/etc/passwd', '/etc/shadow', '//etc/passwd', '/./etc/passwd', '/etc/../etc/passwd', '/', '//', '~/.ssh/id_rsa'],
  ...['~root/.bashrc', '$HOME/.bashrc', '%USERPROFILE%\\a', '`id`', '$(id)', '|cat /etc/passwd', '-'],
  ...['/proc/self/environ', '/proc/self/mem', '/proc/self/cmdline', '/proc/self/fd/0', '/proc/self/root/etc/passwd'],
  ...[
    '/proc/self/cwd',
    '/proc/thread-self/root/etc/passwd',
    '/proc/1/root/etc/passwd',
    '/proc/kmsg',
    '/proc/sys/kernel',
  ],
  ...['/dev/stdin', '/dev/fd/0', '/dev/zero', '/dev/null', '/dev/random', '/dev/tty', '/dev/mem', '/dev/watchdog'],
  ...['/sys/kernel/notes', '/run/secrets/kubernetes.io/serviceaccount/token', '/.dockerenv', '/tmp'],
];

const OTHER_SCHEMES = [
  ...[
    'file:///etc/passwd',
    'FILE:///etc/passwd',
    'file://localhost/etc/passwd',
    'file:/etc/passwd',
    'file:../secret.jpg',
  ],
  ...[
    'ftp://127.0.0.1/a.jpg',
    'gopher://127.0.0.1:6379/_INFO',
    'dict://127.0.0.1/',
    'ldap://127.0.0.1/',
    'data:image/png,a',
  ],
  ...[
    'jar:file:///etc/passwd!/',
    'php://filter/resource=a',
    'expect://id',
    'unix:///var/run/docker.sock',
    'gs://photos/a.jpg',
  ],
  ...[
    'http://127.0.0.1/a.jpg',
    'HTTPS://localhost/a.jpg',
    'http://169.254.169.254/latest/meta-data/',
    'http:/127.0.0.1/a',
  ],
  ...['http://user:secret@example.org/a.jpg', 'http://[::1]/a.jpg', 'http:///etc/passwd', 's3://photos/a.jpg'],
  ...['s3://photos/../secret/a.jpg', 's3:///etc/passwd', 'S3://PHOTOS/a.jpg'],
];

const LENGTHS_AND_ENDS = [
  ...[
    '',
    ' ',
    '\t',
    '.',
    './',
    '..',
    '../',
    '../..',
    'sub',
    'sub/',
    'sub/..',
    'sub/../..',
    '\0',
    'good.jpg\0',
    'good.jpg\0.png',
  ],
  ...['good.jpg/', 'good.jpg/..', 'good.jpg/../../secret.jpg', 'good.jpg%00', 'good.jpg\n', 'good.jpg?', 'good.jpg#'],
  ...[
    'x'.repeat(256),
    `${'x'.repeat(300)}.jpg`,
    'a/'.repeat(511),
    'a/'.repeat(520),
    'x'.repeat(5_000),
    'ä'.repeat(513),
  ],
  ...[`${'../'.repeat(100)}etc/passwd`, `${'../'.repeat(1_000)}etc/passwd`, `${'sub/../'.repeat(140)}../secret.jpg`],
];

/** Lays out a folder with two roots, photos beside them, and links and oddities inside, and lists the ways out. */
export async function layOutEscapes(folder: string): Promise<Escapes> {
  const [root, second] = [join(folder, 'photos'), join(folder, 'more')];
  const neighbour = join(folder, 'photos-neighbour');
  await Promise.all([root, second, neighbour, join(folder, 'outside')].map((one) => mkdir(one)));
  await mkdir(join(root, 'sub'));
  await mkdir(join(root, 'folder.jpg'));
  await copyFile(samplePhoto(4), join(root, 'good.jpg'));
  // Whoever opens one of these finds faces in it.
  const secrets = [join(folder, 'secret.jpg'), join(neighbour, 'n.jpg'), join(folder, 'outside', 'a.jpg')];
  for (const secret of secrets) await copyFile(samplePhoto(1), secret);
  const links = await makeLinks(root, folder);
  const odd = await makeOddEntries(root);
  const texts = DOT_DOTS.flatMap((up) => [`${up}secret.jpg`, `sub/${up}${up}secret.jpg`]);
  const placed = [
    ...[`${root}/../secret.jpg`, `${root}/sub/../../secret.jpg`, `${root}-neighbour/n.jpg`, `${second}/../secret.jpg`],
    ...[
      join(folder, 'secret.jpg'),
      `/${join(folder, 'secret.jpg')}`,
      `/proc/self/root${folder}/secret.jpg`,
      folder,
      root,
    ],
    ...['../photos-neighbour/n.jpg', '../outside/a.jpg', '../more/../secret.jpg', `..${folder}/secret.jpg`],
  ];
  const all = [
    ...texts,
    ...WINDOWS,
    ...SYSTEM,
    ...OTHER_SCHEMES,
    ...LENGTHS_AND_ENDS,
    ...placed,
    ...links,
    ...odd.paths,
  ];
  return { roots: [root, second], good: 'good.jpg', paths: [...new Set(all)], close: odd.close };
}

async function makeLinks(root: string, folder: string): Promise<string[]> {
  const targets: Record<string, string> = {
    'absolute.jpg': join(folder, 'secret.jpg'),
    'relative.jpg': '../secret.jpg',
    'sub/relative.jpg': '../../secret.jpg',
    'through.jpg': '../photos/../secret.jpg',
    out: folder,
    up: '..',
    'sub/up': '../..',
    neighbour: '../photos-neighbour',
    'first.jpg': 'second.jpg',
    'second.jpg': 'third.jpg',
    'third.jpg': '../secret.jpg',
    'itself.jpg': 'itself.jpg',
    'ping.jpg': 'pong.jpg',
    'pong.jpg': 'ping.jpg',
    'nowhere.jpg': '../nowhere.jpg',
    'passwd.jpg': '/etc/passwd',
    'environ.jpg': '/proc/self/environ',
    'stdin.jpg': '/dev/stdin',
    'zero.jpg': '/dev/zero',
    'random.jpg': '/dev/random',
    'tty.jpg': '/dev/tty',
    'fd.jpg': '/proc/self/fd/0',
    cwd: '/proc/self/cwd',
    machine: '/proc/self/root',
    slash: '/',
  };
  for (const [name, target] of Object.entries(targets)) await symlink(target, join(root, name));
  const through = [
    ...['out/secret.jpg', 'up/secret.jpg', 'sub/up/secret.jpg', 'neighbour/n.jpg', 'up/photos/up/secret.jpg'],
    ...['slash/etc/passwd', `slash${folder}/secret.jpg`, `machine${folder}/secret.jpg`, 'cwd/package.json'],
    ...[`${root}/out/secret.jpg`, `${root}/relative.jpg`, 'out/photos/out/outside/a.jpg', 'out', 'up'],
  ];
  return [...Object.keys(targets).filter((name) => /\.jpg$/.test(name)), ...through];
}

/** What is in the root but no file: to open some of it, or to read it, is to wait for ever. */
async function makeOddEntries(root: string): Promise<{ paths: string[]; close(): void }> {
  execFileSync('mkfifo', [join(root, 'pipe.jpg')]);
  await symlink('pipe.jpg', join(root, 'to-pipe.jpg'));
  const socket = createServer().listen(join(root, 'socket.jpg'));
  await once(socket, 'listening');
  await writeFile(join(root, 'sub', 'a.txt'), 'text');
  const paths = ['pipe.jpg', 'to-pipe.jpg', 'socket.jpg', 'folder.jpg', 'folder.jpg/', 'sub/a.txt/b.jpg'];
  const devices = makeDevices(root);
  return { paths: [...paths, ...devices], close: () => void socket.close() };
}

/** Only root may; and in many containers nobody may. */
function makeDevices(root: string): string[] {
  const kinds = {
    'zero-device.jpg': ['c', '1', '5'],
    'tty-device.jpg': ['c', '5', '0'],
    'ram-device.jpg': ['b', '1', '0'],
  };
  try {
    for (const [name, kind] of Object.entries(kinds))
      execFileSync('mknod', [join(root, name), ...kind], { stdio: 'ignore' });
    return Object.keys(kinds);
  } catch {
    return [];
  }
}
