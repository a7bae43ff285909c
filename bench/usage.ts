/** Called wrongly: the message says what to do, and no stack says more. */
export class UsageError extends Error {}

/** Whether somebody asks how it is used, and not for it to be done. */
export function asksForHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-h');
}

/**
 * What to show of an error that ends the program.
 *
 * @param usage one line: how it is called
 */
export function describeEnd(error: unknown, usage: string): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof UsageError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code?.startsWith('ERR_PARSE_ARGS_')) return `${error.message.split('. ')[0]}.\n${usage}`;
  return error.stack ?? error.message;
}
