/** The contract of ended tasks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endStatuses } from '../../task.ts';
import type { Status } from '../../task-view.ts';
import { byIdDown, type Pair, pick, randomOf, someEvents, someOwner, someTask, T0 } from './samples.ts';

export function tasksContract(stores: () => Pair) {
  test('an ended task comes back whole, its input and its events too, from any instance', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const task = someTask(owner, {
      status: 'failed',
      error: { code: 'timed_out', message: 'It took too long.' },
      progress: { progress: 0.5 },
      retryOf: 'task_before',
      marks: { turn_of: 'task_first' },
    });
    await one.tasks.put([task]);
    const { id } = task.record;
    for (const store of [one, two]) {
      assert.deepEqual(await store.tasks.read(owner, id, 'whole'), task.record);
      assert.deepEqual(await store.tasks.read(owner, id, 'listed'), { ...task.record, output: null });
      assert.deepEqual(await store.tasks.readRequest(owner, id), { input: task.input, timeoutMs: 300_000 });
      assert.deepEqual(await store.tasks.readEvents(owner, id), task.events);
    }
  });

  test('what a task does not have comes back as nothing', async () => {
    const { one } = stores();
    const owner = someOwner();
    const task = someTask(owner, { output: null, usage: null, endedAt: null }, { input: null, events: [] });
    await one.tasks.put([task]);
    const { id } = task.record;
    assert.deepEqual(await one.tasks.read(owner, id, 'whole'), task.record);
    assert.deepEqual(await one.tasks.readRequest(owner, id), { input: null, timeoutMs: 300_000 });
    assert.deepEqual(await one.tasks.readEvents(owner, id), []);
  });

  test('putting nothing is allowed', async () => {
    await stores().one.tasks.put([]);
  });

  test('an unknown task and one of another owner read as none, and the list is the owner’s', async () => {
    const { one } = stores();
    const owner = someOwner();
    const task = someTask(owner);
    await one.tasks.put([task]);
    for (const [who, id] of [
      [owner, `${task.record.id}x`],
      [someOwner(), task.record.id],
      ['', task.record.id],
    ] as const) {
      assert.equal(await one.tasks.read(who, id, 'whole'), null);
      assert.equal(await one.tasks.read(who, id, 'listed'), null);
      assert.equal(await one.tasks.readRequest(who, id), null);
      assert.equal(await one.tasks.readEvents(who, id), null);
    }
    assert.deepEqual(await one.tasks.list(someOwner(), { limit: 10, before: null }), []);
  });

  test('whose a task is can be asked without its owner, a purged one too', async () => {
    const { one, two } = stores();
    const [anna, ben] = [someOwner(), someOwner()];
    const [hers, his] = [someTask(anna, { createdAt: 1, endedAt: 1_000 }), someTask(ben)];
    await one.tasks.put([hers, his]);
    for (const store of [one, two]) {
      assert.equal(await store.tasks.ownerOf(hers.record.id), anna);
      assert.equal(await store.tasks.ownerOf(his.record.id), ben);
      assert.equal(await store.tasks.ownerOf(`${his.record.id}x`), null);
    }
    await one.tasks.purge(1_001, 1_000);
    assert.equal(await two.tasks.ownerOf(hers.record.id), anna);
    assert.equal(await two.tasks.read(anna, hers.record.id, 'whole'), 'purged');
  });

  test('a task that is put again stays as it was first', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const task = someTask(owner);
    await one.tasks.put([task]);
    const other = someTask(
      owner,
      { ...task.record, status: 'cancelled', output: '"later"' },
      { events: [], input: '1' },
    );
    await two.tasks.put([other, other]);
    await one.tasks.put([task]);
    assert.deepEqual(await one.tasks.read(owner, task.record.id, 'whole'), task.record);
    assert.deepEqual(await one.tasks.readEvents(owner, task.record.id), task.events);
    assert.deepEqual(await one.tasks.readRequest(owner, task.record.id), { input: task.input, timeoutMs: 300_000 });
    assert.equal((await one.tasks.list(owner, { limit: 10, before: null })).length, 1);
    assert.deepEqual(await one.tasks.list(owner, { limit: 10, before: null, status: 'cancelled' }), []);
  });

  test('an owner’s task does not stand in the way of another owner’s of the same id', async () => {
    const { one } = stores();
    const mine = someTask(someOwner());
    const theirs = someTask(someOwner(), { id: mine.record.id, output: '"theirs"' });
    await one.tasks.put([mine]);
    await one.tasks.put([theirs]);
    assert.deepEqual(await one.tasks.read(mine.record.owner, mine.record.id, 'whole'), mine.record);
    assert.deepEqual(await one.tasks.read(theirs.record.owner, mine.record.id, 'whole'), theirs.record);
  });

  test('twenty that put the same hundred tasks at once make a hundred', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const tasks = Array.from({ length: 100 }, (_, i) => someTask(owner, { createdAt: T0 + i }));
    const racers = Array.from({ length: 20 }, (_, i) => {
      const batch = i % 3 === 0 ? tasks.toReversed() : tasks;
      return (i % 2 ? one : two).tasks.put(batch);
    });
    await Promise.all(racers);
    const listed = await one.tasks.list(owner, { limit: 1_000, before: null });
    assert.deepEqual(
      listed.map((record) => record.id),
      tasks.map((task) => task.record.id).toReversed(),
    );
  });

  test('lists are newest first, without outputs, and pages of any filter have neither gap nor repeat', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const random = randomOf(5);
    const types = ['chat.request', 'rag.query', 'session.title'];
    const tasks = Array.from({ length: 150 }, () =>
      someTask(owner, {
        // Many of one millisecond, put in any order.
        createdAt: T0 + Math.floor(random() * 40),
        type: pick(random, types),
        status: pick(random, endStatuses),
      }),
    );
    for (let i = 0; i < tasks.length; i += 50) await one.tasks.put(tasks.slice(i, i + 50));
    const wanted: { type?: string | undefined; status?: Status | undefined }[] = [
      {},
      { type: 'rag.query' },
      { type: 'unknown' },
      { status: 'failed' },
      { status: 'queued' },
      { status: 'scheduled' },
      { type: 'chat.request', status: 'completed' },
      { type: undefined, status: undefined },
    ];
    for (const filter of wanted) {
      const expected = tasks
        .map(({ record }) => ({ ...record, output: null }))
        .filter((record) => filter.type === undefined || record.type === filter.type)
        .filter((record) => filter.status === undefined || record.status === filter.status)
        .sort(byIdDown);
      for (const limit of [1_000, 7]) {
        const seen = [];
        let before: string | null = null;
        while (true) {
          const page: typeof expected = (await two.tasks.list(owner, { limit, before, ...filter })) as never;
          assert.ok(page.length <= limit);
          seen.push(...page);
          before = page.at(-1)?.id ?? null;
          if (page.length < limit) break;
        }
        assert.deepEqual(seen, expected);
      }
    }
  });

  test('a list begins below any id, also one it does not have', async () => {
    const { one } = stores();
    const owner = someOwner();
    const tasks = [1, 2, 3].map((n) => someTask(owner, { id: `task_${n}` }));
    await one.tasks.put(tasks);
    const ids = async (before: string | null) =>
      (await one.tasks.list(owner, { limit: 10, before })).map((record) => record.id);
    assert.deepEqual(await ids(null), ['task_3', 'task_2', 'task_1']);
    assert.deepEqual(await ids('task_3'), ['task_2', 'task_1']);
    assert.deepEqual(await ids('task_25'), ['task_2', 'task_1']);
    assert.deepEqual(await ids('task_1'), []);
    assert.deepEqual(await ids('zzz'), ['task_3', 'task_2', 'task_1']);
  });

  test('a purged task is gone for its owner, unknown to others, and never comes back', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const old = [3, 1, 2].map((n) => someTask(owner, { createdAt: n, endedAt: 1_000 + n }));
    const young = [someTask(owner, { endedAt: 2_000 }), someTask(owner)];
    await one.tasks.put([...old, ...young]);
    assert.equal(await one.tasks.purge(1_001, 100), 0);
    // The oldest first, as many as are asked for.
    assert.equal(await one.tasks.purge(2_000, 2), 2);
    const [third, first, second] = old as [(typeof old)[0], (typeof old)[0], (typeof old)[0]];
    assert.equal(await two.tasks.read(owner, first.record.id, 'whole'), 'purged');
    assert.equal(await two.tasks.read(owner, second.record.id, 'listed'), 'purged');
    assert.deepEqual(await two.tasks.read(owner, third.record.id, 'whole'), third.record);
    assert.equal(await two.tasks.purge(2_000, 100), 1);
    assert.equal(await two.tasks.purge(2_000, 100), 0);
    await two.tasks.put(old);
    for (const { record } of old) {
      assert.equal(await one.tasks.read(owner, record.id, 'whole'), 'purged');
      assert.equal(await one.tasks.read(someOwner(), record.id, 'whole'), null);
      assert.equal(await one.tasks.readRequest(owner, record.id), null);
      assert.equal(await one.tasks.readEvents(owner, record.id), null);
    }
    const listed = await one.tasks.list(owner, { limit: 10, before: null });
    assert.deepEqual(listed.map((record) => record.id).sort(), young.map(({ record }) => record.id).sort());
  });

  test('two that purge at once purge each task once', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const tasks = Array.from({ length: 60 }, (_, i) => someTask(owner, { createdAt: i, endedAt: 10 + i }));
    await one.tasks.put(tasks);
    const counts = await Promise.all([one, two, one, two].map((store) => store.tasks.purge(1_000, 50)));
    assert.ok(counts.reduce((sum, count) => sum + count, 0) >= 60);
    while ((await one.tasks.purge(1_000, 50)) > 0);
    for (const { record } of tasks) assert.equal(await two.tasks.read(owner, record.id, 'whole'), 'purged');
    assert.deepEqual(await one.tasks.list(owner, { limit: 10, before: null }), []);
  });

  test('four megabytes of output, of input and of events come back as they were', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const text = (letter: string) => JSON.stringify(letter.repeat(4 * 1024 * 1024));
    const events = someEvents(4).map((event, i) => ({ ...event, data: JSON.stringify(String(i).repeat(250_000)) }));
    const task = someTask(owner, { output: text('o') }, { input: text('i'), events });
    await one.tasks.put([task, someTask(owner)]);
    const { id } = task.record;
    assert.deepEqual(await two.tasks.read(owner, id, 'whole'), task.record);
    assert.equal((await two.tasks.readRequest(owner, id))?.input, task.input);
    assert.deepEqual(await two.tasks.readEvents(owner, id), events);
    assert.equal((await two.tasks.list(owner, { limit: 10, before: null })).length, 2);
  });

  test('times and counts are exact up to the largest safe integer', async () => {
    const { one } = stores();
    const owner = someOwner();
    for (const n of [2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
      const usage = { inputTokens: n, outputTokens: n, estimated: true };
      const fields = { createdAt: n, dueAt: n, runAt: n, startedAt: n, endedAt: n, runMs: n, usage, attempt: n };
      const task = someTask(owner, fields, { timeoutMs: n, events: [] });
      await one.tasks.put([task]);
      assert.deepEqual(await one.tasks.read(owner, task.record.id, 'whole'), task.record);
      assert.equal((await one.tasks.readRequest(owner, task.record.id))?.timeoutMs, n);
    }
  });
}
