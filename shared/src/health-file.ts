/**
 * A file whose age tells whether a program lives and reaches Redis. Runners and relays have no HTTP server, so this is what
 * the health check of their container looks at.
 */
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Log } from './log.ts';

const INTERVAL_MS = 1_000;

/** Writes `file` each second while `healthy` says so; does nothing when it is ''. Gives how to stop, which removes it. */
export function keepHealthFile(file: string, healthy: () => boolean, log: Log): () => void {
  if (file === '') return () => {};
  let writable = true;
  let stopped = false;
  async function touch() {
    if (stopped || !healthy()) return;
    try {
      await writeFile(file, `${process.pid}\n`);
      writable = true;
      if (stopped) rmSync(file, { force: true });
    } catch (error) {
      if (writable) log.warn({ error, file }, 'the health file cannot be written');
      writable = false;
    }
  }
  void touch();
  const timer = setInterval(touch, INTERVAL_MS);
  timer.unref();
  return () => {
    stopped = true;
    clearInterval(timer);
    rmSync(file, { force: true });
  };
}
