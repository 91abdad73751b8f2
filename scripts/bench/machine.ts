/** On what a bench ran. Names no host and no place. */
import { execFile } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { findRedisServer } from '../testing/find-redis-server.ts';

const run = promisify(execFile);

export async function describeMachine(): Promise<{ cores: number; text: string }> {
  const { stdout } = await run(await findRedisServer(), ['--version']);
  const redis = /\b(Redis|Valkey)\b.*?\bv=?([\d.]+)/i.exec(stdout);
  const cores = availableParallelism();
  const memoryGb = Math.round(totalmem() / 1024 ** 3);
  const parts = [
    `${cores} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
    `${memoryGb} GB`,
    `${process.platform} ${process.arch}`,
    `Node ${process.version}`,
    `${redis?.[1] ?? 'Redis'} ${redis?.[2] ?? 'of unknown version'}`,
  ];
  return { cores, text: parts.join(', ') };
}
