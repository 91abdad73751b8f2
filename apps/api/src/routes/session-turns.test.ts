/** A turn of a session is read as soon as its task is done, before and after the store has it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chat, followToEnd, submit } from '../../../../scripts/testing/client.ts';
import { startInProcess } from '../../../../scripts/testing/in-process.ts';
import { eventually } from '../../../../scripts/testing/raw.ts';
import { sessionClient } from '../../../../scripts/testing/session-client.ts';

for (const relays of [1, 0]) {
  test(`with ${relays} relay each answer is in the session right after done, once, through every API, cached before or not`, async (t) => {
    const system = await startInProcess({ apis: 2, relays, env: { AUTO_TITLES: 'off' } });
    t.after(system.stop);
    const clients = system.apis.map(({ url }) => sessionClient(url));
    const id = (await clients[0]?.create()) ?? '';
    for (let turn = 1; turn <= 10; turn++) {
      for (const client of clients) await client.get(`/${id}`);
      await followToEnd(system.url, await submit(system.url, chat(`question ${turn}`, { session_id: id })));
      for (const client of clients) {
        const { session } = (await client.get(`/${id}`)).json;
        assert.equal(session.message_count, 2 * turn);
        const { json } = await client.get(`/${id}/messages?limit=200`);
        const ids = json.messages.map(({ message_id }: { message_id: string }) => message_id);
        assert.deepEqual([ids.length, new Set(ids).size], [2 * turn, 2 * turn]);
        assert.deepEqual(session.messages, json.messages);
        const [question, answer] = json.messages.slice(-2);
        assert.deepEqual([question.content, answer.role], [`question ${turn}`, 'assistant']);
      }
    }
    const before = (await clients[1]?.get(`/${id}`))?.json.session;
    const [first] = before.messages;
    const older = (await clients[0]?.get(`/${id}/messages?before=${before.messages[4].message_id}&limit=3`))?.json;
    assert.deepEqual(older.messages, before.messages.slice(1, 4));
    assert.equal(older.next_cursor, before.messages[1].message_id);
    assert.ok(first);
    if (relays === 1) {
      const listed = await eventually(
        () => clients[0]?.get('?min_messages=20') ?? Promise.reject(new Error('no client')),
        ({ json }) => json.total === 1,
      );
      assert.equal(listed.json.sessions[0].total_tokens, before.total_tokens);
      assert.deepEqual((await clients[1]?.get(`/${id}`))?.json.session.messages, before.messages);
    }
  });
}
