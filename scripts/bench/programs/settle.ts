/** Loaded ahead of a program whose memory is measured: asked to settle, it collects its garbage and says what is left. */
import { setTimeout as delay } from 'node:timers/promises';

/** What a settled program answers, in bytes. */
export type Settled = { rss: number; heap: number; external: number };

/** V8's own, there with --expose-gc; this flavor gives freed memory back to the system. */
type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;
const { gc: collect } = globalThis as unknown as { gc?: Collect };

process.on('message', async (message) => {
  if (message !== 'settle') return;
  // Finalizers and timers run between the collections and leave garbage of their own.
  for (let i = 0; i < 4; i++) {
    collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    await delay(100);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  process.send?.({ rss, heap: heapUsed, external } satisfies Settled);
});
