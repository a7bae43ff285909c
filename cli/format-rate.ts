const BAR = 20;

/** `████░░░░ 120 of 400, 7.1 a second, 0:40 left` */
export function formatRate(done: number, all: number, startedAt: number): string {
  const seconds = Math.max(0.001, (Date.now() - startedAt) / 1000);
  const filled = Math.floor((done / all) * BAR);
  const bar = process.stderr.isTTY ? `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ` : '';
  if (done === 0) return `${bar}0 of ${all}`;
  const left = Math.round((seconds / done) * (all - done));
  const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  return `${bar}${done} of ${all}, ${(done / seconds).toFixed(1)} a second, ${time} left`;
}
