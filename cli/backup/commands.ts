import type { Command } from 'commander';
import type { BackupCommandOptions, RestoreCommandOptions } from './run.ts';

/** What they work with is heavy, and no other command needs it. */
const loadCommands = () => import('./run.ts');

/** The commands `faceflow backup` and `faceflow restore`, which work on the database itself. */
export function addBackupCommands(program: Command, version: string, exitWith: (code: number) => never): void {
  program
    .command('backup')
    .description('one moment of the database, and the uploads, as a new folder; while everything runs')
    .argument('<folder>', 'what is made')
    .option('--no-uploads', 'the database only')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nOf the database of MYSQL_URL, or the private one of DATA_DIR, and of the first folder of IMAGE_ROOTS. It holds\n' +
        'descriptions of faces: keep it like the database. Your own photos, KNOWN_PEOPLE and .env are not in it.\n' +
        '\nExamples:\n  faceflow backup /backups/$(date +%F)\n  MYSQL_URL=mysql://… IMAGE_ROOTS=/photos faceflow backup /backups/today --json',
    )
    .action(async (folder: string, options: BackupCommandOptions) => {
      const { backup } = await loadCommands();
      exitWith(await backup(folder, version, options));
    });

  program
    .command('restore')
    .description('put a backup into an empty database, and the uploads where they were; Faceflow must not run')
    .argument('<folder>', 'the backup')
    .option('--replace', 'what is in the database goes')
    .option('--no-uploads', 'the database only')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nEverything in the backup is checked before anything changes. It may be of the other kind of server (MariaDB, MySQL), and\n' +
        'of an older version of Faceflow.\n' +
        '\nExamples:\n  faceflow restore /backups/2027-01-31\n  faceflow restore /backups/2027-01-31 --replace\n  DATA_DIR=/tmp/look RECEIVER_PORT=8100 faceflow restore /backups/2027-01-31',
    )
    .action(async (folder: string, options: RestoreCommandOptions) => {
      const { restore } = await loadCommands();
      exitWith(await restore(folder, options));
    });
}
