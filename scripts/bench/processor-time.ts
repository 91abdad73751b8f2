/** Processor time of programs, as the kernel counts it: what else the machine does hardly shows in it. Linux only. */
import { readFileSync } from 'node:fs';
import type { TestRedis } from '../testing/test-redis.ts';

const TICKS_PER_SECOND = 100;

/** Seconds that a process has used so far; NaN where the kernel does not say. */
export function processorSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return Number.NaN;
  }
}

export const redisPid = async (redis: TestRedis) =>
  Number(/process_id:(\d+)/.exec(await redis.cli('info', 'server'))?.[1]);

/** Runs a measurement, and keeps in `spent` what processor time the processes used meanwhile, in seconds. */
export const spending = (pids: number[], spent: number[], measure: () => Promise<number>) => async () => {
  const used = () => pids.reduce((sum, pid) => sum + processorSeconds(pid), 0);
  const before = used();
  const value = await measure();
  spent.push(used() - before);
  return value;
};
