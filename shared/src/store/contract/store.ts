/**
 * What every store does, as tests: run by each implementation's own test file. Nothing in it is about one of them.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Store } from '../../store.ts';
import { collectionListsContract } from './collection-lists.ts';
import { collectionsContract } from './collections.ts';
import { deletionContract } from './deletion.ts';
import { hostileContract } from './hostile.ts';
import { laterEndsContract } from './later-ends.ts';
import { messagesContract } from './messages.ts';
import { notes } from './notes.ts';
import type { Pair } from './samples.ts';
import { searchContract } from './search.ts';
import { sessionsContract } from './sessions.ts';
import { storedNounContract } from './stored-noun.ts';
import { taskKeysContract } from './task-keys.ts';
import { tasksContract } from './tasks.ts';

/** Defines the tests. `open` gives a further instance on the same data, which is empty at first. */
export function storeContract(name: string, open: () => Promise<Store>) {
  describe(name, () => {
    let pair: Pair;
    before(async () => {
      pair = { one: await open(), two: await open() };
    });
    after(async () => {
      await Promise.all([pair.one.close(), pair.two.close()]);
    });
    const stores = () => pair;
    test('it answers a ping', async () => {
      await stores().one.ping();
    });
    tasksContract(stores);
    taskKeysContract(stores);
    sessionsContract(stores);
    deletionContract(stores);
    collectionsContract(stores);
    collectionListsContract(stores);
    storedNounContract(stores);
    messagesContract(stores);
    laterEndsContract(stores);
    searchContract(stores);
    hostileContract(stores);
    test('a closed store may be closed again, and answers nothing any more', async () => {
      const store = await open();
      await store.ping();
      await store.close();
      await store.close();
      await assert.rejects(store.ping(), { code: 'unavailable' });
      await assert.rejects(notes(store).get('owner', 'name'), { code: 'unavailable' });
    });
  });
}
