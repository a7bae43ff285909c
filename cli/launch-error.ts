/** A failure that the person at the terminal can do something about: shown as its message alone, without a stack, and ends with exit code 1. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError';
}
