/** The contract of settings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Pair, someOwner } from './samples.ts';

export function settingsContract(stores: () => Pair) {
  test('settings are kept by owner and name; the last one stands', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    assert.equal(await one.settings.get(owner, 'preferences'), null);
    await one.settings.put(owner, 'preferences', '{"a":1}');
    await two.settings.put(owner, 'preferences', '{"a":2}');
    await two.settings.put(owner, 'other', '[]');
    assert.equal(await one.settings.get(owner, 'preferences'), '{"a":2}');
    assert.equal(await one.settings.get(someOwner(), 'preferences'), null);
    await one.settings.delete(someOwner(), 'preferences');
    await one.settings.delete(owner, 'preferences');
    await two.settings.delete(owner, 'preferences');
    assert.equal(await two.settings.get(owner, 'preferences'), null);
    assert.equal(await two.settings.get(owner, 'other'), '[]');
  });

  test('twenty that put one setting at once leave one of theirs', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).settings.put(owner, 'n', String(i))));
    assert.match((await one.settings.get(owner, 'n')) ?? '', /^1?\d$/);
  });
}
