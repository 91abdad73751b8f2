/** A rolling deploy mixes releases: an old API, runner and relay beside an API and a runner of the next one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RECORD_VERSION } from '@beanline/shared/task.ts';
import { HOLOGRAM } from '../testing/catalog.ts';
import { chat, getTask, submit, visibleText } from '../testing/client.ts';
import { type Program, startSystem } from '../testing/system.ts';
import { slowWords } from '../testing/upstream.ts';
import { checkClean, type follow, followUntil, followWhole, programOf, startFaults, words } from './checks.ts';

const NEXT_RELEASE = fileURLToPath(new URL('../testing/next-release.ts', import.meta.url));
const EACH = 8;

test('tasks of two releases all end, the old runner runs none of the newer ones, and old APIs pass on what they do not know', async (t) => {
  const QUEUES = 'chat.request:4,test.versioned:4';
  const old = await startFaults({ env: { QUEUES, TEST_VERSION: '1' } });
  t.after(old.stop);
  const [oldRunner] = old.runners as [Program];
  // Begun while there is no other runner, and under way when there is.
  const nextIsThere = Promise.withResolvers<void>();
  const first = await old.start([(call) => nextIsThere.promise.then(() => slowWords(10, 5)(call))]);
  await followUntil(old.url, first.id, 'started');
  const next = await startSystem({
    redis: old.redis,
    relays: 0,
    env: { ...old.upstream.env, QUEUES, TEST_VERSION: '2', NODE_OPTIONS: `--import ${NEXT_RELEASE}` },
  });
  t.after(next.stop);
  nextIsThere.resolve();
  const runners = [...old.runners, ...next.runners];

  const tasks = await Promise.all(
    Array.from({ length: EACH }, async () => {
      const start = async (release: 'old' | 'next', type: 'chat' | 'versioned') => {
        const { url } = release === 'old' ? old : next;
        if (type === 'versioned') {
          return { release, type, id: await submit(url, { type: 'test.versioned', input: {} }, '/tasks') };
        }
        const { prompt } = old.model(slowWords(10, 5));
        return { release, type, id: await submit(url, chat(prompt)) };
      };
      return Promise.all([
        start('old', 'chat'),
        start('next', 'chat'),
        start('old', 'versioned'),
        start('next', 'versioned'),
      ]);
    }),
  ).then((groups) => [{ release: 'old', type: 'chat', id: first.id }, ...groups.flat()]);
  for (const { id, release } of tasks) {
    const version = Number(await old.redis.cli('HGET', `bl:{0}:task:${id}`, 'v'));
    assert.equal(
      version,
      RECORD_VERSION + (release === 'old' ? 0 : 1),
      'the releases write records of their own version',
    );
    // What a later release may keep in a record.
    await old.redis.cli('HSET', `bl:{0}:task:${id}`, 'next_field', '{"new":[]}');
  }

  // Every task is followed at the other release's API.
  const seen = new Map<string, Awaited<ReturnType<typeof follow>>>();
  const followed = tasks.map(async ({ id, release }) => {
    seen.set(id, await followWhole(release === 'old' ? next.url : old.url, id));
  });
  await Promise.all(followed.filter((_, index) => tasks[index]?.release === 'old'));
  const left = tasks.filter(({ id }) => !seen.has(id));
  for (const { id } of left) {
    const { json } = await getTask(old.url, id);
    if (json.status === 'queued') assert.deepEqual([json.attempt, json.failures], [0, 0]);
  }
  // The deploy goes on: what the old runner had met and handed back is the new one's now.
  await oldRunner.signal('SIGTERM');
  await Promise.all(followed);

  let byOld = 0;
  for (const { id, release, type } of tasks) {
    const events = seen.get(id) ?? [];
    const runner = programOf(runners, events);
    if (runner === oldRunner) byOld++;
    if (release === 'next') assert.notEqual(runner, oldRunner, `${type} ${id}`);
    const { json } = await getTask(old.url, id);
    assert.deepEqual([json.status, json.attempt, json.failures], ['completed', 1, 0]);
    assert.deepEqual((await getTask(next.url, id)).json, json, 'both releases show the same task');
    assert.ok(!('next_field' in json));
    if (type === 'chat') assert.equal(visibleText(events), words(10));
    else {
      assert.deepEqual(json.output, { version: runner === oldRunner ? 1 : 2 });
      const unknown = events.filter((event) => event.type === 'hologram').map(({ data }) => data);
      assert.deepEqual(unknown, runner === oldRunner ? [] : [HOLOGRAM]);
    }
  }
  t.diagnostic(
    `the old runner ran ${byOld} of ${2 * EACH + 1} old tasks; ${left.length} newer tasks outlived the last old one`,
  );
  assert.ok(byOld > 0, 'the old runner worked as well');
  await checkClean(old);
});
