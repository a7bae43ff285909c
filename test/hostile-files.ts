import sharp, { type Sharp } from 'sharp';
import {
  between,
  claimSize,
  exifOf,
  flipBytes,
  insertChunk,
  insertSegment,
  OTHER_FILES,
  packNothing,
  pick,
  pngBomb,
  pngChunk,
  type Random,
  randomBytes,
  truncate,
  unpackingChunk,
} from './hostile-bytes.ts';
import { samplePhoto } from './sample-photos.ts';

/** What a file must end in: a Recognition, one of these codes, or (null) either. */
export type Expected = 'recognised' | readonly string[] | null;

export interface HostileFile {
  readonly name: string;
  readonly bytes: Buffer;
  readonly expected: Expected;
}

/** A way to make hostile files; `make` is called `count` times, `index` says how often it was before. */
export interface HostileKind {
  readonly kind: string;
  readonly count: number;
  readonly expected: Expected;
  make(random: Random, index: number): Buffer;
}

interface GoodFile {
  readonly format: 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif';
  readonly bytes: Buffer;
}

const REFUSED = ['image_unreadable'] as const;
const TOO_LARGE = ['image_too_large'] as const;
const NOT_ONE_OF_OURS = ['image_unreadable', 'image_format_unsupported'] as const;

/** One face, with room around it: looked at once, quickly. */
function photo(): Sharp {
  return sharp(samplePhoto(1)).resize(480).extract({ left: 120, top: 0, width: 240, height: 200 });
}

/** A photo in every format, and in the odd forms that programs give it. All of them are good. */
async function makeGoodFiles(): Promise<GoodFile[]> {
  const made = (format: GoodFile['format'], picture: Sharp) =>
    picture.toBuffer().then((bytes): GoodFile => ({ format, bytes }));
  const still = await photo().png().toBuffer();
  const small = () => sharp(still);
  return Promise.all([
    made('jpeg', small().jpeg()),
    made('jpeg', small().jpeg({ progressive: true })),
    made('jpeg', small().toColourspace('cmyk').jpeg()),
    made('jpeg', small().greyscale().jpeg()),
    made('jpeg', small().withMetadata({ orientation: 6 }).jpeg()),
    made('png', small().png()),
    made('png', small().png({ progressive: true })),
    made('png', small().png({ palette: true, colours: 2 })),
    made('png', small().toColourspace('rgb16').png()),
    made('png', small().greyscale().ensureAlpha(0.5).png()),
    made('webp', small().webp()),
    made('webp', small().webp({ lossless: true })),
    made('webp', sharp([still, still], { join: { animated: true } }).webp()),
    made('gif', small().gif()),
    made('gif', sharp([still, still], { join: { animated: true } }).gif()),
    made('tiff', small().tiff({ compression: 'none' })),
    made('tiff', small().tiff({ compression: 'deflate', tile: true, pyramid: true })),
    made('tiff', small().toColourspace('b-w').tiff({ compression: 'deflate', predictor: 'none', bitdepth: 1 })),
    made('tiff', small().tiff({ compression: 'jpeg' })),
    made('tiff', small().toColourspace('rgb16').tiff({ compression: 'lzw' })),
    made('avif', small().avif({ effort: 0 })),
  ]);
}

/** The ways that files go wrong, or are made to. Together they make 2,000. */
export async function describeHostileKinds(): Promise<HostileKind[]> {
  const good = await makeGoodFiles();
  const ofFormat = (format: GoodFile['format']) =>
    good.filter((file) => file.format === format).map(({ bytes }) => bytes);
  const any = (random: Random) => pick(random, good).bytes;
  const anyJpeg = (random: Random) => pick(random, ofFormat('jpeg'));
  const [jpeg = Buffer.alloc(0)] = ofFormat('jpeg');
  const [png = Buffer.alloc(0)] = ofFormat('png');
  const others = Object.values(OTHER_FILES);
  const packed = [20, 400].map(packNothing);
  const cut = (file: Buffer) => file.subarray(0, Math.floor(file.length / 2));
  // GIF readers go by the frames; WebP and AVIF say the size in several places.
  const liars = good.filter(({ format }) => format === 'jpeg' || format === 'png' || format === 'tiff');

  return [
    { kind: 'odd but good', count: good.length, expected: 'recognised', make: (_, i) => good[i]?.bytes ?? jpeg },
    { kind: 'truncated', count: 600, expected: null, make: (random) => truncate(random, any(random)) },
    {
      kind: 'damaged in the header',
      count: 80,
      expected: null,
      make: (random) => flipBytes(random, any(random), between(random, 2, 12), 0, 64),
    },
    {
      kind: 'damaged anywhere',
      count: 24,
      expected: null,
      make: (random) => flipBytes(random, any(random), between(random, 1, 60), 0, Number.POSITIVE_INFINITY),
    },
    {
      kind: 'damaged PNG',
      count: 400,
      expected: REFUSED,
      make: (random) => flipBytes(random, png, between(random, 1, 30), 41, png.length - 20),
    },
    {
      kind: 'with the magic of another format',
      count: 305,
      expected: null,
      make: (random) => {
        const file = pick(random, good);
        const other = pick(
          random,
          good.filter(({ format }) => format !== file.format),
        );
        const length = between(random, 2, 16);
        return Buffer.concat([other.bytes.subarray(0, length), file.bytes.subarray(length)]);
      },
    },
    {
      kind: 'something else, renamed',
      count: 300,
      expected: NOT_ONE_OF_OURS,
      make: (random, i) => others[i % others.length]?.(random) ?? jpeg,
    },
    {
      kind: 'claims 60000 × 60000',
      count: 80,
      expected: TOO_LARGE,
      make: (_, i) => {
        const { bytes, format } = liars[i % liars.length] ?? { bytes: jpeg, format: 'jpeg' };
        return claimSize(bytes, format, 60_000, 60_000);
      },
    },
    {
      kind: 'claims a size of its own',
      count: 12,
      expected: null,
      make: (random) => {
        const { bytes, format } = pick(random, good);
        return claimSize(bytes, format, between(random, 1, 3000), between(random, 1, 3000));
      },
    },
    {
      kind: 'PNG that unpacks to gigabytes',
      count: 6,
      expected: TOO_LARGE,
      make: (_, i) => pngBomb(20_000 + 2000 * i, 30_000),
    },
    { kind: 'PNG just below the limit, cut', count: 4, expected: REFUSED, make: () => cut(pngBomb(14_000, 14_000)) },
    {
      kind: 'metadata that unpacks to gigabytes',
      count: 20,
      expected: null,
      make: (random) => cut(insertChunk(png, unpackingChunk(pick(random, ['zTXt', 'iCCP']), pick(random, packed)))),
    },
    {
      kind: 'huge metadata',
      count: 20,
      expected: REFUSED,
      make: (random, i) => {
        if (i % 2 === 0) return cut(insertChunk(png, pngChunk('tEXt', Buffer.alloc(3_000_000, 'a\0text'))));
        const segment = randomBytes(random, 60_000);
        return cut(Array.from({ length: 40 }).reduce<Buffer>((file) => insertSegment(file, 0xe1, segment), jpeg));
      },
    },
    {
      kind: 'absurd EXIF',
      count: 60,
      expected: null,
      make: (random, i) => {
        const number = () => pick(random, [0, 1, 9, 255, 65_535, 2 ** 31, 2 ** 32 - 1, between(random, 0, 2 ** 32)]);
        const entry = {
          tag: pick(random, [0x112, 0x8769, 0x14a, 0x201]),
          type: between(random, 0, 20),
          count: number(),
          value: number(),
          next: pick(random, [0, 8, 2 ** 32 - 1]),
        };
        const claimed = pick(random, [34, 34, 2, 0, 65_535]);
        const file = insertSegment(anyJpeg(random), 0xe1, exifOf(entry), claimed);
        // Most of them are cut as well: what decodes is looked at for faces, which takes time.
        return i % 10 === 0 ? file : cut(file);
      },
    },
    {
      kind: 'garbage for a colour profile',
      count: 30,
      expected: null,
      make: (random, i) => {
        const profile = Buffer.concat([
          Buffer.from('ICC_PROFILE\0\x01\x01', 'latin1'),
          randomBytes(random, between(random, 0, 4000)),
        ]);
        const file = insertSegment(anyJpeg(random), 0xe2, profile);
        return i % 10 === 0 ? file : cut(file);
      },
    },
    { kind: 'empty', count: 10, expected: ['image_empty'], make: () => Buffer.alloc(0) },
    { kind: 'one byte', count: 20, expected: REFUSED, make: (random) => randomBytes(random, 1) },
    {
      kind: 'two files in one',
      count: 8,
      expected: null,
      make: (random, i) => Buffer.concat(i % 8 === 0 ? [any(random), any(random)] : [cut(any(random)), any(random)]),
    },
  ];
}

/** All of them in one order, which only depends on the seed. */
export async function* makeHostileFiles(random: Random): AsyncGenerator<HostileFile> {
  const kinds = await describeHostileKinds();
  const order = kinds.flatMap((kind) => Array.from({ length: kind.count }, (_, index) => ({ kind, index })));
  for (let i = order.length - 1; i > 0; i--) {
    const j = between(random, 0, i + 1);
    const [a, b] = [order[i], order[j]];
    if (a && b) [order[i], order[j]] = [b, a];
  }
  for (const { kind, index } of order) {
    const name = `${kind.kind} ${index}.jpg`.replaceAll(' ', '-');
    yield { name, bytes: kind.make(random, index), expected: kind.expected };
  }
}
