import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDemoPhotos } from '../cli/demo-photos.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const FACES = fileURLToPath(new URL('../../shared/faces', import.meta.url));
const WORKER = ['--workers', '1'];

/** Other photos of the same face, as far as they can be made of one. */
const VARIATIONS: ((photo: Sharp) => Sharp)[] = [
  (photo) => photo,
  (photo) => photo.flop().modulate({ brightness: 1.2 }),
  (photo) => photo.blur(1).modulate({ saturation: 0.6 }),
];

interface Answer {
  figures: Record<string, { value: number | null; unit: string; better?: string }>;
  thresholds: { threshold: number; far: number; frr: number }[];
  unusable: { photo: string; reason: string }[];
  machine: { cores: number };
  versions: Record<string, string>;
}

let folder: string;
/** Five people in three photos each, in the names of LFW: `Ada Winter/Ada Winter_0001.jpg`. */
let tree: string;
let people: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faceflow-eval-'));
  tree = join(folder, 'tree');
  const enrolled = join(folder, 'enrolled');
  await makeDemoPhotos(join(folder, 'photos'), enrolled);
  people = (await readdir(enrolled)).sort();
  for (const person of people) {
    await mkdir(join(tree, person), { recursive: true });
    const original = join(enrolled, person, '1.jpg');
    for (const [index, change] of VARIATIONS.entries())
      await change(sharp(original))
        .jpeg()
        .toFile(photoOf(person, index + 1));
  }
});

afterAll(() => rm(folder, { recursive: true }));

function photoOf(person: string, number: number): string {
  return join(tree, person, `${person}_000${number}.jpg`);
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const command = [join(PROJECT, 'dist/cli/main.js'), 'eval', ...args];
    execFile(process.execPath, command, { cwd: PROJECT }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

async function measure(...args: string[]): Promise<Answer & { report: string; stderr: string }> {
  const { code, stdout, stderr } = await run(...args, ...WORKER, '--json');
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return { ...JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''), report: stdout, stderr };
}

const valuesOf = ({ figures }: Answer) =>
  Object.fromEntries(Object.entries(figures).map(([name, { value }]) => [name, value]));

describe('a tree of photos', () => {
  const out = () => join(folder, 'out');
  let answer: Awaited<ReturnType<typeof measure>>;

  beforeAll(async () => {
    const ada = join(tree, 'Ada Winter');
    await copyFile(join(folder, 'photos', 'landscape.jpg'), join(ada, 'Ada Winter_0004.jpg'));
    await writeFile(join(ada, 'text.png'), 'no picture');
    await copyFile(photoOf('Ada Winter', 1), join(ada, 'once more.jpg'));
    answer = await measure(tree, '--out', out());
  });

  test('everybody is recognised, and what can be said of so few is said', () => {
    expect(valuesOf(answer)).toMatchObject({
      rank_1: 1,
      people: 5,
      photos: 18,
      photos_without_face: 1,
      photos_unreadable: 1,
      // The copy of a file is left out: 5 × 3 pairs of one person, and 15 × 14 / 2 in all.
      genuine_pairs: 15,
      impostor_pairs: 90,
      far: 0,
      named_right: 1,
      named_wrong: 0,
      // 90 pairs say nothing about 1 %.
      frr_at_far_1_percent: null,
      suggested_threshold: null,
    });
    expect(answer.figures.rank_1).toEqual({ value: 1, unit: '', better: 'higher' });
    expect(answer.figures).not.toHaveProperty('lfw_accuracy');
    expect(answer.unusable).toEqual([
      { photo: 'Ada Winter/Ada Winter_0004.jpg', reason: 'no_face' },
      { photo: 'Ada Winter/text.png', reason: expect.stringContaining('cannot be read as a picture') },
    ]);
    expect(answer.machine.cores).toBeGreaterThan(0);
    expect(answer.versions).toMatchObject({ model: 'face-api-1', node: process.versions.node });
  });

  test('FAR rises and FRR falls with the threshold, from 0.30 to 0.80', () => {
    const { thresholds } = answer;
    expect(thresholds.map(({ threshold }) => threshold)).toEqual([
      0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8,
    ]);
    expect(thresholds.map(({ far }) => far)).toEqual(thresholds.map(({ far }) => far).sort());
    expect(thresholds.map(({ frr }) => frr)).toEqual(
      thresholds
        .map(({ frr }) => frr)
        .sort()
        .reverse(),
    );
    expect(thresholds.at(-1)?.far).toBeGreaterThan(thresholds[0]?.far ?? 1);
  });

  test('the report names what could not be used, and progress stays on standard error', async () => {
    expect(answer.report).toContain('Rank-1 (is the nearest other photo of the same person?): 100.00 %, 15 of 15');
    expect(answer.report).toContain('Left out as copies of a file in the same folder: 1\n  Ada Winter/once more.jpg');
    expect(answer.report).toContain('FRR at FAR 1 %: not to be said with 90 impostor pairs, it takes 300');
    expect(answer.stderr).toMatch(/Describing 18 photos: 1 of 18, \d+\.\d a second, \d+:\d\d left/);
    const written = await readFile(join(out(), 'report.txt'), 'utf8');
    expect(answer.report).toContain(written.trim());
  });

  test('the plot is a well-formed document, also as a picture', async () => {
    const svg = await readFile(join(out(), 'accuracy.svg'), 'utf8');
    for (const label of ['Distances of pairs', 'ROC curve', 'one person (15 pairs)', 'two people (90 pairs)'])
      expect(svg).toContain(label);
    const { width, height } = await sharp(Buffer.from(svg)).metadata();
    expect({ width, height }).toEqual({ width: 1280, height: 560 });
    const png = sharp(join(out(), 'accuracy.png'));
    expect(await png.metadata()).toMatchObject({ format: 'png', width: 2560, height: 1120 });
    // Blue of the one kind of pairs and orange of the other, on white.
    const { channels, dominant } = await png.stats();
    expect(dominant.r).toBeGreaterThan(240);
    expect(channels[0]?.min).toBeLessThan(60);
  });

  test("LFW's pairs.txt is followed: a pair without a face counts as two people", async () => {
    const [ada, bea, cleo, dora] = people;
    const lines = [
      '2\t2',
      `${ada}\t1\t2`,
      // A landscape.
      `${ada}\t1\t4`,
      `${ada}\t1\t${bea}\t1`,
      `${cleo}\t1\t${dora}\t2`,
      `${bea}\t1\t3`,
      `${cleo}\t1\t2`,
      `${bea}\t2\t${cleo}\t2`,
      `${dora}\t1\t${ada}\t1`,
    ];
    await writeFile(join(tree, 'pairs.txt'), `${lines.join('\n')}\n`);
    const measured = await measure(tree, '--out', join(folder, 'out-pairs'));
    // Accuracies 3/4 and 1: the mean 0.875, the standard deviation √2/8, over √2.
    expect(measured.figures.lfw_accuracy).toEqual({ value: 0.875, unit: '', better: 'higher' });
    expect(measured.figures.lfw_standard_error?.value).toBeCloseTo(0.125, 12);
    expect(measured.figures.lfw_pairs_without_face?.value).toBe(1);
    expect(measured.report).toContain('LFW protocol, 2 folds, 8 pairs: accuracy 87.50 % ± 12.50 %');
  });

  test('a photo in the wrong folder is noticed', async () => {
    const wrong = join(folder, 'wrong');
    for (const person of ['Bea Summers', 'Dora Vale']) {
      await mkdir(join(wrong, person), { recursive: true });
      for (const number of [1, 2]) await copyFile(photoOf(person, number), join(wrong, person, `${number}.jpg`));
    }
    await copyFile(photoOf('Dora Vale', 3), join(wrong, 'Bea Summers', '3.jpg'));
    const measured = await measure(wrong, '--threshold', '0.6', '--out', join(folder, 'out-wrong'));
    expect(measured.figures.rank_1?.value).toBeLessThanOrEqual(0.8);
    expect(measured.figures.named_wrong?.value).toBeGreaterThan(0);
    expect(measured.figures.threshold?.value).toBe(0.6);
  });
});

describe('what cannot be measured ends with exit code 1 and says why', () => {
  const refuse = async (...args: string[]) => {
    const { code, stderr } = await run(...args, '--out', join(folder, 'out-refused'));
    expect(code).toBe(1);
    return stderr;
  };

  test('no folder, nobody in it, or one person', async () => {
    expect(await refuse(join(folder, 'nowhere'))).toContain('There is no folder');
    const one = join(folder, 'one');
    await mkdir(one);
    expect(await refuse(one)).toContain('holds no photos');
    await symlink(join(tree, 'Dora Vale'), join(one, 'Dora Vale'));
    expect(await refuse(one)).toContain('holds 3 photos of one person');
  });

  test('people with one photo each', async () => {
    const single = join(folder, 'single');
    for (const person of ['Bea Summers', 'Dora Vale']) {
      await mkdir(join(single, person), { recursive: true });
      await copyFile(photoOf(person, 1), join(single, person, '1.jpg'));
    }
    expect(await refuse(single, ...WORKER)).toContain('no person has two different photos with a face');
  });

  test('pairs that name photos which are not there, or that are none', async () => {
    const pairs = join(folder, 'other-pairs.txt');
    await writeFile(pairs, '2\t1\nDora Vale\t1\t2\nDora Vale\t1\tBea Summers\t9\nX\t1\t2\nX\t1\tY\t2\n');
    expect(await refuse(tree, '--pairs', pairs)).toContain('4 photos that are not in');
    await writeFile(pairs, 'a list\n');
    expect(await refuse(tree, '--pairs', pairs)).toContain('should begin with the numbers of folds');
    expect(await refuse(tree, '--pairs', join(folder, 'none.txt'))).toContain('cannot be read');
  });

  test('options that make no sense', async () => {
    expect(await refuse(tree, '--far', '2')).toContain('Expected a number above 0 and below 1');
    expect(await refuse(tree, '--threshold', 'near')).toContain('Expected a number above 0 and up to 2');
    expect(await refuse(tree, '--engine', 'none')).toMatch(/There is no engine none: choose one of .*tfjs/);
  });

  test('help shows examples', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    expect(stdout).toContain('npm run eval -- ~/lfw --far 0.0001');
  });
});

describe.skipIf(!existsSync(FACES))('the tight crops of ../shared/faces, known and query together', () => {
  test('nearly everybody is nearest to themselves, and at the default threshold nobody is misnamed', async () => {
    const crops = join(folder, 'crops');
    for (const set of ['known', 'query']) {
      for (const person of await readdir(join(FACES, set))) {
        await mkdir(join(crops, person), { recursive: true });
        for (const photo of await readdir(join(FACES, set, person)))
          await symlink(join(FACES, set, person, photo), join(crops, person, photo));
      }
    }
    const measured = await measure(crops, '--out', join(folder, 'out-crops'));
    const values = valuesOf(measured);
    expect(values).toMatchObject({
      people: 8,
      photos: 40,
      photos_without_face: 0,
      genuine_pairs: 80,
      impostor_pairs: 700,
      far: 0,
      named_wrong: 0,
      strangers_named: 0,
    });
    expect(values.rank_1).toBeGreaterThanOrEqual(0.975);
    expect(values.equal_error_rate).toBeLessThan(0.02);
    expect(values.frr_at_far_1_percent).toBeLessThan(0.05);
    expect(values.suggested_threshold).toBeGreaterThan(0.55);
    // 700 pairs cannot show 0.1 %.
    expect(values.suggested_threshold_far).toBeCloseTo(3 / 700, 12);
    expect(values.frr_at_far_0_1_percent).toBeNull();
  }, 300_000);
});
