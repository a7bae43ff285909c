import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './plan.ts';
import type { ShiftClock } from './shifted-clock.ts';
import type { SmallDisk } from './small-disk.ts';
import type { System, Victim } from './system.ts';
import type { LinkFault, TcpProxy } from './tcp-proxy.ts';

export interface Injector {
  readonly system: System;
  readonly disks: ReadonlyMap<string, SmallDisk>;
  readonly shiftClock: ShiftClock | null;
  /** What an operator is to do when a disk is no longer full (docs/operations.md). */
  readonly afterDisk: () => Promise<void>;
  readonly say: (line: string) => void;
}

/** Lets everything of the plan happen at its time, and resolves when the last of it is over. */
export async function injectFaults(faults: readonly Fault[], injector: Injector): Promise<void> {
  const startedAt = performance.now();
  const running = faults.map(async (fault) => {
    await sleep(fault.atMs);
    const at = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6);
    injector.say(`${at} s  ${describeFault(fault)}`);
    await happen(fault, injector);
  });
  await Promise.all(running);
}

export function describeFault({ kind, target, how, ms }: Fault): string {
  const seconds = ms === 0 ? '' : ` for ${(ms / 1000).toFixed(1)} s`;
  return `${kind} ${target}: ${how}${seconds}`;
}

async function happen(fault: Fault, injector: Injector): Promise<void> {
  const { kind, target, how, ms } = fault;
  switch (kind) {
    case 'kill':
      return signal(findVictim(injector, target).pid, 'SIGKILL');
    case 'pause':
      return pause(findVictim(injector, target), ms);
    case 'link': {
      const link = findLink(injector, target);
      await link.fail(how as LinkFault);
      await sleep(ms);
      return link.fail(null);
    }
    case 'disk': {
      const disk = injector.disks.get(target);
      disk?.fill();
      await sleep(ms);
      disk?.free();
      return injector.afterDisk();
    }
    case 'clock':
      return shiftClock(findVictim(injector, target), how, ms, injector);
  }
}

async function pause(victim: Victim, ms: number): Promise<void> {
  const { pid } = victim;
  signal(pid, 'SIGSTOP');
  await sleep(ms);
  signal(pid, 'SIGCONT');
}

/** It is killed, comes back with the other clock, and goes in good order to come back with the right one. */
async function shiftClock(victim: Victim, offset: string, ms: number, injector: Injector): Promise<void> {
  victim.setEnv(injector.shiftClock?.(offset) ?? {});
  signal(victim.pid, 'SIGKILL');
  await sleep(ms);
  victim.setEnv({});
  signal(victim.pid, 'SIGTERM');
}

function signal(pid: number | null, name: NodeJS.Signals): void {
  // It is being started again: that is fault enough.
  if (pid === null) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function findVictim({ system }: Injector, name: string): Victim {
  const victim = system.victims.get(name);
  if (victim === undefined) throw new Error(`No process is called ${name}.`);
  return victim;
}

function findLink({ system }: Injector, name: string): TcpProxy {
  const link = system.links.get(name);
  if (link === undefined) throw new Error(`No link is called ${name}.`);
  return link;
}
