/** The contract of values: whatever a client sends is a value, in every field, id, name and owner. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notes } from './notes.ts';
import {
  hostile,
  type Pair,
  someEvents,
  someMessage,
  someOwner,
  someSession,
  someTask,
  T0,
  wellFormed,
} from './samples.ts';

/** Of the long one an id's length: what is compared stays within what an index takes. */
const names = hostile.map((text) => text.slice(0, 500));

export function hostileContract(stores: () => Pair) {
  test('hostile values in every field of a task come back as they were', async () => {
    const { one } = stores();
    const owner = someOwner();
    for (const [n, text] of hostile.entries()) {
      const task = someTask(
        owner,
        {
          id: `task_${n}`,
          type: text.slice(0, 500),
          metadata: { [text.slice(0, 500)]: text, ok: 'ok' },
          output: JSON.stringify({ [text]: text }),
          error: { code: 'internal', message: text },
          retryOf: text,
          marks: { [text]: text },
          waiting: text,
          lastId: text,
        },
        {
          input: JSON.stringify(text),
          events: [{ ...someEvents(1)[0], data: text } as never],
        },
      );
      await one.tasks.put([task]);
      const { id, type } = task.record;
      assert.deepEqual(wellFormed(await one.tasks.read(owner, id, 'whole')), wellFormed(task.record));
      assert.deepEqual(await one.tasks.readRequest(owner, id), { input: task.input, timeoutMs: 300_000 });
      assert.deepEqual(wellFormed(await one.tasks.readEvents(owner, id)), wellFormed(task.events));
      const listed = await one.tasks.list(owner, { limit: 100, before: null, type });
      assert.ok(listed.some((record) => record.id === id));
      assert.ok(listed.every((record) => record.type.toWellFormed() === type.toWellFormed()));
    }
  });

  test('hostile owners and ids are nobody else’s, and change nothing of anybody', async () => {
    const { one } = stores();
    const owner = someOwner();
    const task = someTask(owner);
    const session = someSession(owner, { title: 'Mine', titleBy: 'client' });
    await one.tasks.put([task]);
    await one.sessions.create(session);
    await notes(one).put(owner, 'name', '"mine"');
    const list = { sort: 'updated_at', limit: 10, skip: 0 } as const;
    const turn = { id: 'msg_1', messages: [someMessage('intruder')], tokens: 1, now: T0 };
    for (const name of names) {
      for (const [who, what] of [
        [name, task.record.id],
        [owner, name],
      ] as const) {
        assert.equal(await one.tasks.read(who, what, 'whole'), null);
        assert.equal(await one.tasks.readRequest(who, what), null);
        assert.equal(await one.tasks.readEvents(who, what), null);
      }
      assert.deepEqual(await one.tasks.list(name, { limit: 10, before: null }), []);
      assert.deepEqual(await one.tasks.list(owner, { limit: 10, before: null, type: name }), []);
      assert.deepEqual(await one.tasks.list(owner, { limit: 10, before: null, status: name as never }), []);
      for (const [who, what] of [
        [name, session.id],
        [owner, name],
      ] as const) {
        assert.equal(await one.sessions.read(who, what), null);
        assert.equal(await one.sessions.setTitle(who, what, 'x', 'client', T0), null);
        assert.equal(await one.sessions.delete(who, what), false);
        assert.equal(await one.messages.append(who, what, turn), null);
        assert.deepEqual(await one.messages.page(who, what, { limit: 10, before: null }), []);
      }
      assert.deepEqual(await one.messages.matching(name, 'Mine', 10), []);
      assert.deepEqual(await one.sessions.titled(name, 'Mine', 10), []);
      assert.deepEqual(await one.sessions.list(name, {}, list), { sessions: [], total: 0 });
      assert.deepEqual(await one.sessions.list(owner, { ids: [name] }, list), { sessions: [], total: 0 });
      assert.deepEqual(await one.sessions.list(owner, { featureMode: name as never }, list), {
        sessions: [],
        total: 0,
      });
      assert.equal(await notes(one).get(name, 'name'), null);
      assert.equal(await notes(one).get(owner, name), null);
      assert.deepEqual(await notes(one).withText(name, '"mine"'), []);
      assert.deepEqual(await notes(one).withText(owner, name), []);
      assert.equal(await notes(one).delete(owner, name), false);
      assert.equal(await notes(one).delete(name, 'name'), false);
    }
    assert.deepEqual(await one.sessions.list(owner, {}, list), { sessions: [session], total: 1 });
    assert.equal(await notes(one).get(owner, 'name'), '"mine"');
  });

  test('hostile owners, ids, titles, texts and names can be used as such', async () => {
    const { one, two } = stores();
    const mark = someOwner();
    for (const [n, text] of hostile.entries()) {
      // The mark keeps the owners of this test apart from others', also where the text is cut or empty.
      const name = `${text.slice(0, 300)}${mark}${n}`;
      const id = `${text.slice(0, 300)}!${n}`;
      const task = someTask(name, { id });
      await one.tasks.put([task]);
      assert.deepEqual(wellFormed(await two.tasks.read(name, id, 'whole')), wellFormed(task.record));
      const session = someSession(name, {
        id,
        title: text,
        titleBy: 'client',
        model: text,
        featureOptions: JSON.stringify(text),
      });
      await one.sessions.create(session);
      assert.deepEqual(wellFormed(await two.sessions.read(name, id)), wellFormed(session));
      const message = someMessage(text, { id, model: text, metadata: JSON.stringify({ [text]: text }) });
      await one.messages.append(name, id, { id: text.slice(0, 300), messages: [message], tokens: 1, now: T0 });
      assert.deepEqual(
        wellFormed(await two.messages.page(name, id, { limit: 10, before: null })),
        wellFormed([message]),
      );
      const summary = { text, upTo: id, messages: 1, createdAt: T0 };
      assert.deepEqual(wellFormed((await one.sessions.setSummary(name, id, summary))?.summary), wellFormed(summary));
      assert.equal(
        (await two.sessions.setTitle(name, id, `${text}2`, 'client', T0))?.title?.toWellFormed(),
        `${text}2`.toWellFormed(),
      );
      const list = await one.sessions.list(name, { ids: [id] }, { sort: 'created_at', limit: 2, skip: 0 });
      assert.equal(list.total, 1);
      await notes(one).put(name, id, text);
      assert.equal(await notes(two).get(name, id), text.toWellFormed());
      assert.deepEqual(await notes(two).withText(name, text), [id.toWellFormed()]);
      assert.equal(await two.sessions.delete(name, id), true);
    }
  });
}
