/** The contract of ended tasks that are looked for by the Idempotency-Key that made them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pair, someOwner, someTask, T0 } from './samples.ts';

export function taskKeysContract(stores: () => Pair) {
  test('a task is found by its Idempotency-Key as long as it can be read, by its owner', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const key = (name: string) => ({ hash: `hash ${name} ${owner}`, fingerprint: `fingerprint ${name}` });
    const first = someTask(owner, { id: 'task_1', endedAt: 5 }, { idempotency: key('a') });
    const others = [
      someTask(owner, { id: 'task_2', endedAt: T0 }, { idempotency: key('b') }),
      someTask(owner, { id: 'task_3', endedAt: T0 }),
    ];
    await one.tasks.put([first, ...others]);
    const find = (name: string, who = owner) => two.tasks.findByKey(who, key(name).hash);
    assert.deepEqual(await find('a'), { id: 'task_1', fingerprint: 'fingerprint a' });
    assert.deepEqual(await find('b'), { id: 'task_2', fingerprint: 'fingerprint b' });
    assert.equal(await find('c'), null);
    assert.equal(await find('a', someOwner()), null);
    const later = someTask(owner, { ...first.record, attempt: 2, endedAt: 6 }, { idempotency: key('a') });
    await one.tasks.put([later]);
    assert.deepEqual(await find('a'), { id: 'task_1', fingerprint: 'fingerprint a' });
    while ((await one.tasks.purge(10, 100)) > 0);
    assert.equal(await find('a'), null);
    await one.tasks.put([someTask(owner, { id: 'task_4' }, { idempotency: key('b') })]);
    assert.deepEqual(await find('b'), { id: 'task_4', fingerprint: 'fingerprint b' });
  });
}
