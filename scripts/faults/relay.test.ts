/** The relay is the one that repairs: there may be two of it, and another takes over when one dies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { visibleText } from '../testing/client.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkCalls, checkClean, followWhole, startFaults, words } from './checks.ts';

test('two relays that both believe to hold the partition run nothing twice', async (t) => {
  const system = await startFaults({ relays: 2 });
  t.after(system.stop);
  const { url, redis } = system;
  let over = false;
  // The lease changes hands all the time: every round of either relay sweeps everything.
  const thief = (async () => {
    // Many times in each round, and with time left for the rounds.
    while (!over) {
      await redis.cli('del', 'bl:{0}:lease');
      await delay(50);
    }
  })();
  const later = await Promise.all(
    Array.from({ length: 10 }, (_, index) => system.start([slowWords(30, 20)], { delay_ms: index * 100 })),
  );
  for (const task of later) {
    const seen = await followWhole(url, task.id);
    assert.equal(visibleText(seen), words(30));
    const json = await checkCalls(url, task);
    assert.deepEqual([json.status, json.attempt, task.calls.length], ['completed', 1, 1]);
  }
  over = true;
  await thief;
  await checkClean(system);
});

const LOSE_JOB = `
redis.call('ZREM', KEYS[1] .. ':delayed', ARGV[1])
return redis.call('DEL', KEYS[1] .. ':' .. ARGV[1])`;

test('when a relay is killed another one takes over its partition', async (t) => {
  const system = await startFaults({ relays: 2 });
  t.after(system.stop);
  const { url, redis, relays } = system;
  const [runner] = system.runners;
  // Whoever of the two holds the lease, one of these kills takes the holder.
  for (const relay of relays) {
    await relay.signal('SIGKILL');
    const spare = await system.startRelay();
    const killedAt = performance.now();
    // Nobody takes its job before it is gone.
    await runner?.signal('SIGSTOP');
    const orphan = await system.start([slowWords(5, 0)], { delay_ms: 1_000 });
    await redis.cli('eval', LOSE_JOB, '1', 'bl:{chat.request}', orphan.id);
    await runner?.signal('SIGCONT');
    assert.equal(visibleText(await followWhole(url, orphan.id)), words(5));
    t.diagnostic(`a task without its job ran ${Math.round(performance.now() - killedAt)} ms after the kill`);
    assert.equal((await checkCalls(url, orphan)).attempt, 1);
    assert.equal(spare.child.exitCode, null);
  }
  await until('the outbox is drained', async () => Number(await redis.cli('xlen', 'bl:{0}:outbox')) <= 1);
  await checkClean(system);
});
