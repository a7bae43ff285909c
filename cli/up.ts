import { launch, type Stack } from './launch.ts';
import { type LaunchSettings, loadLaunchSettings, readDotEnv } from './launch-settings.ts';
import { createProgress } from './progress.ts';
import { isAbort, listenForStop, untilAborted } from './until-stopped.ts';

export interface UpOptions {
  processors?: string;
  data?: string;
}

/** `faceflow up`: runs everything until it is told to stop. Returns the exit code. */
export async function up(options: UpOptions): Promise<number> {
  readDotEnv();
  const progress = createProgress(process.stdout);
  const stop = listenForStop(progress);
  const settings = await loadLaunchSettings({
    ...process.env,
    ...(options.processors === undefined ? {} : { PROCESSORS: options.processors }),
    ...(options.data === undefined ? {} : { DATA_DIR: options.data }),
  });
  try {
    const stack = await launch(settings, { progress, signal: stop.signal, onStarted: stop.onStarted });
    progress.say(describeStack(stack, settings));
    await untilAborted(stop.signal);
    await stack.stop();
  } catch (error) {
    if (!isAbort(error, stop.signal)) throw error;
  }
  progress.say('Stopped.');
  return 0;
}

function describeStack(stack: Stack, settings: LaunchSettings): string {
  return [
    '',
    'Faceflow is running.',
    '',
    `  Page     ${stack.pageUrl}`,
    `  API      ${stack.apiUrl} (what it can do: ${stack.apiUrl}/docs)`,
    `  Try      curl -d '{"path":"photo.jpg"}' ${stack.apiUrl}/image/post`,
    `  Photos   ${settings.imageRoots.join(', ')} (IMAGE_ROOTS)`,
    `  People   ${settings.knownPeople} (KNOWN_PEOPLE; a folder a person, with photos of that person alone)`,
    `  Logs     ${stack.logsFolder}`,
    `  One more processor: set -a; . ${stack.serversEnv}; set +a; node dist/processor/main.js`,
    '',
    'Ctrl-C stops everything; what is known stays, and is there at the next start.',
  ].join('\n');
}
