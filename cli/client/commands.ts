import type { Command } from 'commander';
import { parseNumber } from '../parse-options.ts';
import { type AddOptions, add } from './add.ts';
import { DEFAULT_URL } from './api.ts';
import { type CalibrateOptions, calibrate } from './calibrate.ts';
import { type ListOptions, listImages, showImage } from './images.ts';
import { type RetryOptions, retry } from './retry.ts';
import { search } from './search.ts';
import { showStatus } from './status.ts';
import { type WatchOptions, watch } from './watch.ts';

const STATUSES = 'pending, matched, unknown, no_face, unreadable or failed';
const JSON_OPTION = ['--json', 'one JSON object'] as const;

/** The commands that ask the API at FACEFLOW_URL. */
export function addClientCommands(program: Command, exitWith: (code: number) => never): void {
  program.addHelpText(
    'after',
    `\nAll but up, demo, eval, keys, backup, restore and doctor ask the API at FACEFLOW_URL (${DEFAULT_URL}), with the key FACEFLOW_KEY.` +
      '\nExit codes: 0 done; 1 refused, failed, or nothing found; 130 interrupted.',
  );

  program
    .command('add')
    .description('submit photos, wait, and print who is in them')
    .argument('<photo...>', 'photos, folders of photos, URLs; - reads paths from standard input, one a line')
    .option('--upload', 'send the photos themselves, also those that the server could read by their path')
    .option('--no-upload', 'send paths only')
    .option('--no-wait', 'do not wait for what is seen in them')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nSubmitted again, a photo is the same image: after Ctrl-C the same command goes on.' +
        '\n\nExamples:\n  faceflow add ~/Pictures\n  faceflow add a.jpg b.jpg --json\n  find /photos -name "*.jpg" | faceflow add - --no-wait',
    )
    .action(async (photos: string[], options: AddOptions) => exitWith(await add(photos, options)));

  program
    .command('watch')
    .description('submit the photos of a folder, and each new one as soon as it is there')
    .argument('<folder>')
    .option('--every <seconds>', 'how often to look', parseNumber({ above: 0, upTo: 3600 }), 2)
    .option('--json', 'one JSON object a line, for each photo')
    .addHelpText('after', '\nExample:\n  faceflow watch ~/camera')
    .action(async (folder: string, options: WatchOptions) => watch(folder, options));

  program
    .command('images')
    .description('list images, newest first unless told otherwise')
    .argument('[word...]', 'starts of words of the path, or of the name of somebody in the image')
    .option('--status <status>', STATUSES)
    .option('--person <id>', 'one of the faces is this person')
    .option('--folder <path>', 'in this folder and its subfolders')
    .option('--from <date>', 'posted on this day (UTC) or later, or at this moment or later')
    .option('--to <date>', 'posted on this day (UTC) or earlier, or before this moment')
    .option('--sort <order>', 'newest, oldest or path', 'newest')
    .option('--limit <n>', 'how many', parseNumber({ above: 0, upTo: 100_000 }), 50)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  faceflow images ada 2024\n  faceflow images --status failed --limit 1000\n  faceflow images --folder trips/2024 --from 2024-06-01 --sort path',
    )
    .action(async (words: string[], options: ListOptions) => exitWith(await listImages(words, options)));

  program
    .command('image')
    .description('one image: who is in it, and why')
    .argument('<id>')
    .option('--out <file>', 'draw the boxes on a copy')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  faceflow image 4 --out /tmp/4.jpg')
    .action(async (id: string, options: { out?: string; json?: boolean }) => exitWith(await showImage(id, options)));

  program
    .command('search')
    .description('who is in this photo; nothing of it is stored; exit code 1 when nobody is known')
    .argument('<photo>')
    .option('--images', 'also the stored photos that show them')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  faceflow search who.jpg --images')
    .action(async (photo: string, options: { images?: boolean; json?: boolean }) =>
      exitWith(await search(photo, options)),
    );

  program
    .command('retry')
    .description('have images looked at again that failed; exit code 1 when there is none')
    .argument('[id...]', 'these; without any, all of the status')
    .option('--status <status>', 'failed, unreadable or no_face', 'failed')
    .option('--reason <code>', 'only those that ended for this reason')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  faceflow retry\n  faceflow retry 4 7\n  faceflow retry --status unreadable --reason file_not_found',
    )
    .action(async (ids: string[], options: RetryOptions) => exitWith(await retry(ids, options)));

  program
    .command('status')
    .description('how many images there are, how many wait, and what the background jobs do; live in a terminal')
    .option('--once', 'print it once')
    .option(...JSON_OPTION)
    .action(async (options: { once?: boolean; json?: boolean }) => exitWith(await showStatus(options)));

  program
    .command('calibrate')
    .description('which threshold suits the gallery; what another one would change; setting it')
    .option('--far <rate>', 'the share of strangers that may get a name', parseNumber({ above: 0, below: 1 }), 0.001)
    .option('--preview <threshold>', 'what it would change; nothing is set', parseNumber({ above: 0, upTo: 0.7 }))
    .option('--set <threshold>', 'set it', parseNumber({ above: 0, upTo: 0.7 }))
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  faceflow calibrate\n  faceflow calibrate --preview 0.5\n  faceflow calibrate --set 0.5',
    )
    .action(async (options: CalibrateOptions) => exitWith(await calibrate(options)));
}
