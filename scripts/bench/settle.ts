/** Loaded ahead of a program whose memory is measured: asked to settle, it collects its garbage and says what is left. */
import { setTimeout as delay } from 'node:timers/promises';

/** What a settled program answers, in bytes. */
export type Settled = { rss: number; heap: number; heapTotal: number; external: number };

const collect = (globalThis as { gc?: () => void }).gc;

process.on('message', async (message) => {
  if (message !== 'settle') return;
  // Finalizers and timers run between the collections and leave garbage of their own.
  for (let i = 0; i < 4; i++) {
    (collect as any)?.({type:'major',execution:'sync',flavor:'last-resort'});
    await delay(100);
  }
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  process.send?.({ rss, heap: heapUsed, heapTotal, external } satisfies Settled);
});
