/** What the store sends to MongoDB, as the driver's own monitoring tells it: what no stand-in and no result shows. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Collection, CommandStartedEvent, Document, MongoClient } from 'mongodb';
import { type Store, sessionSorts } from '../../store.ts';
import { notes } from '../contract/notes.ts';
import { hostile, someEvents, someMessage, someOwner, someSession, someTask, T0 } from '../contract/samples.ts';
import { everyCallOf } from './testing/collection-calls.ts';
import { bodiesOf, filtersOf, isOf, keysIn, names, pathsIn, serves } from './testing/command-parts.ts';
import { testDatabase, withoutMongo } from './testing/test-database.ts';

const writes = new Set(['insert', 'update', 'delete', 'findAndModify']);
const reads = new Set(['find', 'aggregate', 'getMore']);

describe('what MongoDB is asked', { skip: withoutMongo }, () => {
  const { store: open, stored, drop } = testDatabase();
  let sent: CommandStartedEvent[] = [];
  let client: MongoClient | undefined;
  let store: Store;
  before(async () => {
    store = open({
      watch(made) {
        client = made;
        made.on('commandStarted', (event) => sent.push(event));
      },
    });
    // Connected, with its indexes.
    await notes(store).get('nobody', 'nothing');
    await everyCallOf(store, 'nobody', 'nothing');
  });
  after(async () => {
    await store.close();
    await drop();
  });

  /** Every call of the seam but purge, with one text in every place a client's may be. */
  async function everyCall(owner: string, text: string): Promise<CommandStartedEvent[]> {
    sent = [];
    const session = someSession(owner, {
      title: text,
      titleBy: 'model',
      model: text,
      featureOptions: `{"$set":"${owner}"}`,
    });
    const task = someTask(
      owner,
      { type: text, metadata: { [text]: text }, error: { code: 'internal', message: text } },
      { input: JSON.stringify({ [text]: text }), events: someEvents(2) },
    );
    const { id } = task.record;
    await store.tasks.put([task]);
    await store.tasks.read(owner, id, 'whole');
    await store.tasks.readRequest(owner, text);
    await store.tasks.readEvents(owner, id);
    await store.tasks.findByKey(owner, text);
    await store.tasks.list(owner, { limit: 5, before: text, type: text, status: 'completed' });
    await store.sessions.create(session);
    await store.sessions.read(owner, text);
    const filter = { ids: [text], featureMode: text as never, updatedFrom: 1, maxTokens: 5 };
    await store.sessions.list(owner, filter, { sort: 'total_tokens', limit: 5, skip: 5 });
    await store.sessions.setTitle(owner, session.id, text, 'model', T0);
    await store.sessions.setSummary(owner, session.id, { text, upTo: text, messages: 1, createdAt: T0 });
    const messages = [someMessage(text, { metadata: JSON.stringify({ [text]: text }), model: text }), someMessage('x')];
    await store.messages.append(owner, session.id, { id: text, messages, tokens: 1, now: T0 });
    await store.messages.append(owner, session.id, { id: text, messages, tokens: 1, now: T0 });
    await store.messages.append(owner, text, { id: text, messages, tokens: 1, now: T0 });
    await store.messages.page(owner, session.id, { limit: 5, before: text });
    await store.messages.range(owner, text, { after: text, before: text, limit: 5 });
    for (const query of [text, text.slice(0, 2), text.slice(0, 3), `${text} and more`]) {
      await store.messages.matching(owner, query, 5);
      await store.sessions.titled(owner, query, 5);
    }
    await everyCallOf(store, owner, text);
    await store.sessions.delete(owner, session.id);
    return sent;
  }

  const texts = hostile
    .map((text) => text.slice(0, 300))
    .concat('$owner', '$$ROOT', '$trigrams and $trigrams', '{$ne:null}');

  test('every filter is bound to the owner, whatever the ids, names and queries are', async () => {
    for (const text of texts) {
      const owner = someOwner();
      for (const { command, commandName } of await everyCall(owner, text)) {
        const filters = filtersOf(command);
        if (commandName !== 'insert' && commandName !== 'getMore') assert.ok(filters.length > 0, commandName);
        for (const filter of filters) assert.ok(isOf(owner, filter), JSON.stringify(filter));
        for (const document of command.documents ?? []) assert.equal(document._id.owner, owner);
      }
    }
  });

  test('no text of a client is ever a name of a field, an operator or a path', async () => {
    for (const text of texts) {
      for (const { command } of await everyCall(someOwner(), text)) {
        for (const key of keysIn(bodiesOf(command))) assert.ok(names.has(key), `${JSON.stringify(key)} for ${text}`);
        for (const filter of filtersOf(command)) {
          const paths = pathsIn(filter.$expr);
          assert.ok(
            paths.every((path) => path === '$trigrams'),
            `${paths} for ${text}`,
          );
        }
        const updates: Document[] = command.updates ?? [];
        // An update that is a pipeline would take texts for paths.
        for (const { u } of updates) assert.ok(!Array.isArray(u));
      }
    }
  });

  test('what is not a text is refused before it is sent', async () => {
    const session = someSession(someOwner());
    await store.sessions.create(session);
    sent = [];
    for (const bad of [{ $ne: null }, { $gt: '' }, ['x'], 7, null, undefined] as never[]) {
      const page = { limit: 5, before: null };
      const summary = { text: 'x', upTo: bad, messages: 1, createdAt: 1 };
      const calls = [
        () => store.tasks.read(bad, 'x', 'whole'),
        () => store.tasks.read(session.owner, bad, 'whole'),
        () => store.tasks.readEvents(session.owner, bad),
        () => store.tasks.list(bad, page),
        () => store.sessions.read(session.owner, bad),
        () => store.sessions.list(bad, {}, { sort: 'updated_at', limit: 5, skip: 0 }),
        () => store.sessions.list(session.owner, { ids: [bad] }, { sort: 'updated_at', limit: 5, skip: 0 }),
        () => store.sessions.list(session.owner, {}, { sort: bad, limit: 5, skip: 0 }),
        () => store.sessions.setTitle(session.owner, session.id, bad, 'client', 1),
        () => store.sessions.setSummary(session.owner, session.id, summary),
        () => store.sessions.delete(session.owner, bad),
        () => store.messages.page(session.owner, bad, page),
        () => store.messages.range(session.owner, session.id, { after: null, before: bad, limit: 5 }),
        () => store.messages.matching(bad, 'bean', 5),
        () => notes(store).get(session.owner, bad),
        () => notes(store).put(session.owner, bad, 'x'),
        () => notes(store).delete(session.owner, bad),
      ];
      for (const call of calls)
        await assert.rejects(async () => call(), TypeError, `${call} with ${JSON.stringify(bad)}`);
      // Absent, these are no filter.
      if (bad === null || bad === undefined) continue;
      await assert.rejects(async () => store.tasks.list(session.owner, { limit: 5, before: bad }), TypeError);
      await assert.rejects(
        async () => store.messages.page(session.owner, session.id, { limit: 5, before: bad }),
        TypeError,
      );
    }
    assert.deepEqual(
      sent.map(({ commandName }) => commandName),
      [],
    );
  });

  test('writes are acknowledged by a majority and its journal, reads see what is, and the server ends both in time', async () => {
    const commands = await everyCall(someOwner(), 'the bean');
    for (const { command, commandName } of commands) {
      if (writes.has(commandName)) assert.deepEqual(command.writeConcern, { w: 'majority', j: true, wtimeout: 30_000 });
      else assert.ok(reads.has(commandName), commandName);
      if (reads.has(commandName)) assert.equal(command.maxTimeMS, 30_000, commandName);
      if (reads.has(commandName)) assert.match(command.readConcern?.level, /^(majority|local)$/);
      assert.equal(command.$readPreference?.mode ?? 'primary', 'primary');
    }
    assert.ok(client?.options.retryWrites, 'the driver repeats a write once whose answer was lost, where servers can');
    assert.ok(client?.options.retryReads);
  });

  test('every read is bounded: by keys, by a limit, or by what a page holds', async () => {
    for (const { command, commandName } of await everyCall(someOwner(), 'the bean')) {
      if (commandName === 'find') {
        assert.ok(command.limit > 0 || command.filter._id?.$in !== undefined, JSON.stringify(command.filter));
      }
      if (commandName === 'aggregate') assert.ok(command.pipeline[1].$limit <= 10_000);
    }
  });

  test('every search, list and count has an index that finds and orders what it asks for', async () => {
    const owner = someOwner();
    const asked = await everyCall(owner, 'the bean');
    sent = [];
    for (const sort of sessionSorts) await store.sessions.list(owner, {}, { sort, limit: 5, skip: 0 });
    await store.sessions.list(owner, { featureMode: 'rag' }, { sort: 'updated_at', limit: 5, skip: 0 });
    for (const type of [undefined, 'x']) {
      for (const status of [undefined, 'failed' as const])
        await store.tasks.list(owner, { limit: 5, before: 'x', type, status });
    }
    await store.tasks.purge(1, 1);
    await store.purgeDocuments(1, 1);
    const documents = (await stored.documentNames()).map((noun) => stored.documents(noun));
    const nouns = [stored.sessions, stored.messages, stored.tasks, ...documents];
    let looked = 0;
    for (const { command } of [...asked, ...sent]) {
      const filter = command.filter ?? command.pipeline?.[0].$match;
      // The key finds at most as many as it names.
      if (filter === undefined || filter._id !== undefined || command.listCollections !== undefined) continue;
      const name = command.find ?? command.aggregate;
      const made = nouns.find(({ collectionName }) => collectionName === name);
      const indexes = await (made as unknown as Collection).indexes();
      const sort = command.sort ? [...(command.sort as Map<string, number>)] : [];
      assert.ok(
        indexes.some((index) => serves(index, filter, sort)),
        `${name} ${JSON.stringify(filter)} ${JSON.stringify(sort)}`,
      );
      looked++;
    }
    assert.ok(looked > 40);
  });

  test('lists read no bodies, and no trigrams come back', async () => {
    const owner = someOwner();
    sent = [];
    await store.tasks.list(owner, { limit: 5, before: null });
    await store.sessions.list(owner, {}, { sort: 'updated_at', limit: 5, skip: 0 });
    await store.messages.page(owner, 'x', { limit: 5, before: null });
    await store.messages.matching(owner, 'bean', 5);
    const finds = sent.filter(({ commandName }) => commandName === 'find');
    assert.ok(finds.every(({ command }) => command.find !== 'task_bodies'));
    for (const { command } of finds) {
      const { projection } = command;
      assert.ok(projection.trigrams === 0 || Object.values(projection).every((value) => value === 1), command.find);
    }
    assert.deepEqual(finds[0]?.command.projection, { record: 1 });
  });

  test('a search looks up the rarest of its trigrams, and the others only where that one is', async () => {
    const owner = someOwner();
    const session = someSession(owner);
    await store.sessions.create(session);
    const common = Array.from({ length: 30 }, (_, n) => someMessage('the bean', { createdAt: T0 + n }));
    const rare = someMessage('the zebra', { createdAt: T0 });
    const turn = { id: 't', messages: [...common, rare], tokens: 1, now: T0 };
    await store.messages.append(owner, session.id, turn);
    sent = [];
    assert.deepEqual(await store.messages.matching(owner, 'THE ZEB', 10), [{ sessionId: session.id, id: rare.id }]);
    const find = sent.find(({ commandName }) => commandName === 'find')?.command;
    assert.match(find?.filter.trigrams, /z/);
    assert.deepEqual(Object.keys(find?.filter), ['owner', 'trigrams', '$expr']);
  });
});
