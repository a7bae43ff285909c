import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import sharp from 'sharp';
import { DESCRIPTOR_MODELS, findModel, type ModelName } from '../lib/descriptor-models.ts';
import { messageOf } from '../lib/errors.ts';
import { ENGINES, type EngineName } from '../recognizer/engine/create-engine.ts';
import { describeMachine, describeVersions } from './describe-machine.ts';
import { describeTree, listTree } from './eval/describe-tree.ts';
import type { Evaluation } from './eval/evaluation.ts';
import { toFigures } from './eval/figures.ts';
import { measureAccuracy } from './eval/measure.ts';
import { plotEvaluation } from './eval/plot.ts';
import { formatReport } from './eval/report.ts';
import { readPairs, runProtocol } from './eval/run-protocol.ts';
import { formatRate } from './format-rate.ts';
import { LaunchError } from './launch-error.ts';
import { createProgress, type Progress } from './progress.ts';

export interface EvalOptions {
  threshold: number;
  far: number;
  /** One of ENGINES; the recognizer's default without it. */
  engine?: string;
  model: string;
  workers: number;
  /** A file, or false: none, not even the tree's own. */
  pairs?: string | false;
  out: string;
  json?: boolean;
}

/** Enough to show a FAR of 0.01 % with a few percent of uncertainty. */
const MAX_PAIRS = 2_000_000;
const LISTED_ON_SCREEN = 20;
const MEASURED_WITH = [
  '@vladmandic/face-api',
  '@tensorflow/tfjs',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-node',
  'onnxruntime-node',
  'sharp',
];

/**
 * `faceflow eval DIR`: the recognizer's accuracy on a tree of a folder for each person. Prints a report on standard
 * output (progress goes to standard error) and writes it, with a plot, into a folder. Returns the exit code.
 *
 * @throws LaunchError when it cannot be measured
 */
export async function evaluate(folder: string, options: EvalOptions): Promise<number> {
  // The set-up that started us is gone: nobody waits for the result.
  if (process.connected) process.once('disconnect', () => process.exit(130));
  const progress = createProgress(process.stderr);
  const engine = chooseEngine(options.engine);
  const model = chooseModel(options.model);
  const out = await makeFolder(options.out);
  const files = await listTree(resolve(folder));
  const folds = options.pairs === false ? null : await readPairs(resolve(folder), options.pairs, files);
  const tree = await progress.step(
    `Describing ${files.length} photos`,
    (detail) =>
      describeTree(files, {
        engine,
        model,
        workers: options.workers,
        onPhoto: (done, startedAt) => detail(formatRate(done, files.length, startedAt)),
      }),
    ({ photosPerSecond }) => `Described ${files.length} photos, ${photosPerSecond.toFixed(1)} a second`,
  );
  const accuracy = await compare(tree.photos, options, progress);
  const protocol = folds && runProtocol(folds, tree.photos);
  const { threshold, far } = options;
  const evaluation: Evaluation = { folder, threshold, far, tree, accuracy, protocol };
  await write(evaluation, out);
  process.stdout.write(`\n${formatReport(evaluation, LISTED_ON_SCREEN)}\n\nPlot and report: ${out}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(toJson(evaluation))}\n`);
  return 0;
}

function compare(photos: Evaluation['tree']['photos'], { threshold, far }: EvalOptions, progress: Progress) {
  return progress.step('Comparing them', async (detail) =>
    measureAccuracy(photos, {
      threshold,
      far,
      maxPairs: MAX_PAIRS,
      onProgress: (done, pairs) => detail(`${Math.floor((done / pairs) * 100)} %`),
    }),
  );
}

function chooseEngine(name: string = ENGINES[0]): EngineName {
  const engine = ENGINES.find((known) => known === name);
  if (engine === undefined) throw new LaunchError(`There is no engine ${name}: choose one of ${ENGINES.join(', ')}.`);
  return engine;
}

async function makeFolder(path: string): Promise<string> {
  const folder = resolve(path);
  await mkdir(folder, { recursive: true }).catch((error) => {
    throw new LaunchError(
      `The folder for the plot cannot be made: ${messageOf(error)}. Name another one: --out FOLDER`,
    );
  });
  return folder;
}

async function write(evaluation: Evaluation, out: string): Promise<void> {
  const svg = plotEvaluation(evaluation);
  await writeFile(join(out, 'accuracy.svg'), svg);
  // The threads that read the photos have forbidden SVG to the whole process; this one is our own.
  sharp.unblock({ operation: ['VipsForeignLoadSvg'] });
  // Twice the resolution, so that it stays readable in a document.
  await sharp(Buffer.from(svg), { density: 144 }).png().toFile(join(out, 'accuracy.png'));
  await writeFile(join(out, 'report.txt'), `${formatReport(evaluation, Number.POSITIVE_INFINITY)}\n`);
}

function toJson(evaluation: Evaluation): object {
  const { folder, tree, accuracy } = evaluation;
  return {
    eval: relative(process.cwd(), resolve(folder)) || '.',
    figures: toFigures(evaluation),
    thresholds: accuracy.table,
    unusable: tree.photos.flatMap((photo) =>
      photo.kind === 'face'
        ? []
        : { photo: photo.imageName, reason: photo.kind === 'no_face' ? 'no_face' : photo.reason },
    ),
    machine: describeMachine(),
    versions: { model: tree.model, backend: tree.backend, ...describeVersions(MEASURED_WITH) },
  };
}

function chooseModel(name: string): ModelName {
  const model = findModel(name);
  if (model !== undefined) return model.name;
  const known = DESCRIPTOR_MODELS.map((one) => one.name).join(', ');
  throw new LaunchError(`There is no model ${name}: choose one of ${known}.`);
}
