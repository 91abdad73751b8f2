/** Redis forgets scripts and cuts connections while tasks stream: readers notice a short pause at most. */
import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { checkEnded, visibleText } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, type Faults, follow, followUntil, startFaults, words } from './checks.ts';

/** What a reader may wait for the next event, when the connection that carries it was cut. */
const BRIDGED_MS = 1_500;

let system: Faults;
before(async () => {
  system = await startFaults({ runners: 1 });
});
after(() => system.stop());

/**
 * Five tasks stream, three readers each; `hurt` happens again and again. Gives the longest wait of any reader for its next
 * event, without what the machine took of it.
 */
async function stream(t: TestContext, hurt: () => Promise<unknown>): Promise<number> {
  const { url } = system;
  const tasks = await Promise.all(Array.from({ length: 5 }, () => system.start([slowWords(80, 25)])));
  await Promise.all(tasks.map(({ id }) => followUntil(url, id, 'text')));
  let longest = 0;
  const machine = watchMachine(t, url);
  const readers = tasks.flatMap((task) =>
    Array.from({ length: 3 }, async () => {
      let last: number | undefined;
      const seen = await follow(url, task.id, {
        see() {
          const now = performance.now() - machine.lateMs();
          longest = Math.max(longest, now - (last ?? now));
          last = now;
        },
      });
      return { task, seen };
    }),
  );
  for (let round = 0; round < 3; round++) {
    await hurt();
    await delay(300);
  }
  const all = await Promise.all(readers);
  machine.stop();
  for (const { task, seen } of all) {
    await checkEnded(url, task.id, seen);
    assert.equal(visibleText(seen), words(80));
    assert.equal((await checkCalls(url, task)).attempt, 1, 'no attempt was lost');
  }
  await checkClean(system);
  return Math.round(longest);
}

for (const [what, command] of [
  ['SCRIPT FLUSH', ['script', 'flush']],
  ['CLIENT KILL TYPE pubsub', ['client', 'kill', 'type', 'pubsub']],
  ['CLIENT KILL TYPE normal', ['client', 'kill', 'type', 'normal']],
] as const) {
  test(`${what} while tasks stream costs no event, no attempt and at most 1.5 s`, async (t) => {
    const longest = await stream(t, () => system.redis.cli(...command));
    t.diagnostic(`the longest wait of a reader: ${longest} ms`);
    assert.ok(longest <= BRIDGED_MS, `${longest} ms`);
  });
}

test('the last event of a task reaches its reader although its message was lost', async (t) => {
  const { url, redis } = system;
  const release = Promise.withResolvers<void>();
  const task = await system.start([
    async (call) => {
      call.text('almost ');
      await release.promise;
      call.finish();
    },
  ]);
  const early = Promise.withResolvers<void>();
  const reader = follow(url, task.id, { see: ({ type }) => void (type === 'text' && early.resolve()) });
  await early.promise;
  await redis.cli('client', 'kill', 'type', 'pubsub');
  release.resolve();
  const machine = watchMachine(t, url);
  const endedAt = performance.now();
  const seen = await reader;
  const tookMs = Math.round(performance.now() - endedAt);
  const machineMs = machine.stop();
  t.diagnostic(`after ${tookMs} ms, machine ${machineMs} ms`);
  assert.ok(tookMs <= BRIDGED_MS + machineMs, `${tookMs} ms, of which ${machineMs} ms are the machine's`);
  await checkEnded(url, task.id, seen);
  await checkClean(system);
});
