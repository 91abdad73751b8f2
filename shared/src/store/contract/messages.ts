/** The contract of messages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Message, messageIdOf } from '../../session.ts';
import { makeTaskId } from '../../task-id.ts';
import { byIdDown, type Pair, pick, randomOf, someMessage, someOwner, someSession, T0, talk } from './samples.ts';

/** The turn of a task: what was asked, and the answer. */
function someTurn(createdAt: number, n = 0) {
  const taskId = makeTaskId(createdAt, 0);
  const messages: Message[] = [
    someMessage(`question ${n}`, { id: messageIdOf(taskId, 0), createdAt }),
    someMessage(`answer ${n}`, {
      id: messageIdOf(taskId, 1),
      role: 'assistant',
      model: 'openai/gpt',
      usage: { inputTokens: 7, outputTokens: 3, estimated: true },
      metadata: '{"a":"b"}',
      task: { id: taskId, status: 'completed', ...(n % 2 === 1 ? { turnOf: 'task_before' } : {}) },
      createdAt: createdAt + 5,
    }),
  ];
  return { id: taskId, messages, tokens: 10, now: createdAt + 6 };
}

export function messagesContract(stores: () => Pair) {
  test('a turn is added whole and counted, and comes back as it was', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const turn = someTurn(T0 + 10);
    const after = { ...session, totalTokens: 10, messageCount: 2, updatedAt: T0 + 16 };
    assert.deepEqual(await one.messages.append(owner, session.id, turn), after);
    assert.deepEqual(await two.sessions.read(owner, session.id), after);
    assert.deepEqual(await two.messages.page(owner, session.id, { limit: 10, before: null }), turn.messages);
    assert.equal(await one.messages.append(owner, 'none', turn), null);
    assert.deepEqual(await one.messages.page(owner, 'none', { limit: 10, before: null }), []);
  });

  test('content that is not the text, such as images, comes back as it was', async () => {
    const { one } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const url = `data:image/png;base64,${'A'.repeat(1_000_000)}`;
    const content = JSON.stringify([
      { type: 'text', text: 'look' },
      { type: 'image_url', image_url: { url } },
    ]);
    const messages = [someMessage('look', { content }), someMessage('', { content: '[]' }), someMessage('')];
    await one.messages.append(owner, session.id, { id: 'msg_a', messages, tokens: 1, now: T0 });
    const expected = messages.toSorted(byIdDown).reverse();
    assert.deepEqual(await one.messages.page(owner, session.id, { limit: 10, before: null }), expected);
    assert.equal((await one.messages.matching(owner, 'look', 10)).length, 1);
    assert.deepEqual(await one.messages.matching(owner, 'image_url', 10), []);
  });

  test('a turn that is added twenty times at once is there once and counted once', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const turn = someTurn(T0);
    const racers = Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).messages.append(owner, session.id, turn));
    const after = { ...session, totalTokens: 10, messageCount: 2, updatedAt: T0 + 6 };
    await Promise.all(racers);
    assert.deepEqual(await one.sessions.read(owner, session.id), after);
    assert.deepEqual(await two.messages.append(owner, session.id, { ...turn, now: T0 + 500 }), after);
    assert.deepEqual(await one.messages.page(owner, session.id, { limit: 10, before: null }), turn.messages);
    assert.equal((await one.messages.matching(owner, 'question', 10)).length, 1);
  });

  test('many turns added at once by two instances are all there, in the order of their ids', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const turns = Array.from({ length: 60 }, (_, n) => someTurn(T0 + n, n));
    const random = randomOf(3);
    const shuffled = turns.toSorted(() => random() - 0.5);
    await Promise.all(shuffled.map((turn, i) => (i % 2 ? one : two).messages.append(owner, session.id, turn)));
    const after = await one.sessions.read(owner, session.id);
    assert.deepEqual([after?.messageCount, after?.totalTokens, after?.updatedAt], [120, 600, T0 + 65]);
    const all = turns.flatMap((turn) => turn.messages);
    assert.deepEqual(await two.messages.page(owner, session.id, { limit: 1_000, before: null }), all);
  });

  test('of a turn that has messages of another one the new ones count', async () => {
    const { one } = stores();
    const owner = someOwner();
    const { sessionId, messages } = await talk(one, owner, ['posted']);
    const answer = someMessage('answer', { role: 'assistant', createdAt: T0 + 9 });
    const turn = { id: 'task_other', messages: [...messages, answer], tokens: 20, now: T0 + 60 };
    const after = await one.messages.append(owner, sessionId, turn);
    assert.deepEqual([after?.messageCount, after?.totalTokens, after?.updatedAt], [2, 27, T0 + 60]);
    const empty = { id: 'task_empty', messages: [], tokens: 5, now: T0 + 70 };
    assert.deepEqual(await one.messages.append(owner, sessionId, empty), after);
  });

  test('a message that a turn names twice is there once and counted once', async () => {
    const { one } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const message = someMessage('twice');
    const turn = { id: message.id, messages: [message, message], tokens: 3, now: T0 + 1 };
    const after = { ...session, messageCount: 1, totalTokens: 3, updatedAt: T0 + 1 };
    assert.deepEqual(await one.messages.append(owner, session.id, turn), after);
    assert.deepEqual(await one.messages.append(owner, session.id, turn), after);
    assert.deepEqual(await one.messages.page(owner, session.id, { limit: 5, before: null }), [message]);
  });

  test('a known message stays as it was first', async () => {
    const { one } = stores();
    const owner = someOwner();
    const { sessionId, messages } = await talk(one, owner, ['first']);
    const again = messages.map((message) => ({ ...message, text: 'second', content: '"second"' }));
    await one.messages.append(owner, sessionId, { id: 'task_1', messages: again, tokens: 3, now: T0 + 9 });
    assert.deepEqual(await one.messages.page(owner, sessionId, { limit: 10, before: null }), messages);
    assert.deepEqual(await one.messages.matching(owner, 'second', 10), []);
  });

  test('pages back and ranges forward have neither gap nor repeat, whatever the order of writing', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const random = randomOf(11);
    const session = someSession(owner);
    await one.sessions.create(session);
    const messages = Array.from({ length: 90 }, (_, n) =>
      someMessage(`m${n}`, { createdAt: T0 + Math.floor(random() * 30) }),
    );
    for (const [i, message] of messages.entries()) {
      const turn = { id: message.id, messages: [message], tokens: 1, now: T0 + i };
      await pick(random, [one, two]).messages.append(owner, session.id, turn);
    }
    const sorted = messages.toSorted(byIdDown).reverse();
    for (const limit of [1, 7, 200]) {
      const back: Message[] = [];
      let before: string | null = null;
      while (true) {
        const page: Message[] = await one.messages.page(owner, session.id, { limit, before });
        assert.ok(page.length <= limit);
        back.unshift(...page);
        before = page[0]?.id ?? before;
        if (page.length < limit) break;
      }
      assert.deepEqual(back, sorted);
      const forth: Message[] = [];
      let after: string | null = null;
      const last = sorted.at(-5)?.id ?? '';
      while (true) {
        const page: Message[] = await two.messages.range(owner, session.id, { after, before: last, limit });
        assert.ok(page.length <= limit);
        forth.push(...page);
        after = page.at(-1)?.id ?? after;
        if (page.length < limit) break;
      }
      assert.deepEqual(forth, sorted.slice(0, -5));
    }
    const [, second, third] = sorted;
    const nothing = { after: second?.id ?? '', before: third?.id ?? '', limit: 5 };
    assert.deepEqual(await one.messages.range(owner, session.id, nothing), []);
    assert.deepEqual(await one.messages.page(owner, session.id, { limit: 5, before: sorted[0]?.id ?? '' }), []);
  });

  test('turns added while their session is deleted leave no message behind', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    for (let round = 0; round < 20; round++) {
      const word = `orphan${round}`;
      const session = someSession(owner, { title: word, titleBy: 'client' });
      await one.sessions.create(session);
      const add = (i: number) => {
        const message = someMessage(word, { createdAt: T0 + i });
        const turn = { id: message.id, messages: [message], tokens: 1, now: T0 + i };
        return (i % 2 ? one : two).messages.append(owner, session.id, turn);
      };
      const first = Array.from({ length: 6 }, (_, i) => add(i));
      const gone = (round % 2 ? one : two).sessions.delete(owner, session.id);
      const second = Array.from({ length: 6 }, (_, i) => add(i + 6));
      const [deleted] = await Promise.all([gone, ...first, ...second]);
      assert.equal(deleted, true);
      assert.equal(await one.sessions.read(owner, session.id), null);
      assert.deepEqual(await two.messages.matching(owner, word, 10), []);
      // Also not for a session of the same id.
      await two.sessions.create({ ...session, title: null, titleBy: null });
      assert.deepEqual(await two.messages.page(owner, session.id, { limit: 10, before: null }), []);
      assert.equal(await one.sessions.delete(owner, session.id), true);
    }
  });
}
