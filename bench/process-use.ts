import { readFile } from 'node:fs/promises';

/** Ticks a second of the times in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU time that a process, with all its threads, has used since its start, in ms (steps of 10 ms). */
export async function readCpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(explain);
  // The name, in parentheses, may hold anything; from behind it on, user and system time are fields 12 and 13.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000;
}

/** Resident memory of a process, in MB of 10^6 bytes. */
export async function readRssMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(explain);
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024) / 1e6;
}

function explain(cause: unknown): never {
  throw new Error('The process cannot be looked at: it has ended, or this is no Linux with a /proc.', { cause });
}
