/** The steps of `npm run smoke` in a session: talked in, read, found, listed and deleted. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { chat, getTask, post } from './testing/client.ts';
import { SESSIONS, sessionClient } from './testing/session-client.ts';

const SAID = '서울은 대한민국의 수도입니다.';
const QUESTION = '대한민국 수도가 어디야?';
/** Only bounds the wait of a busy machine: what is searched is in the store, which has a turn a moment after its `done`. */
const FOUND_MS = 20_000;

export function sessionSteps(url: string): [string, () => Promise<string | undefined>][] {
  const client = sessionClient(url);
  let session = '';
  let task = '';
  const said: string[] = [];

  /** Says it in the session, and reads its messages as soon as the task is done. */
  async function talk(text: string): Promise<string> {
    const { status, json } = await post(url, '/api/chat', chat(text, { session_id: session }), { Prefer: 'wait=20' });
    assert.deepEqual([status, json.status], [200, 'completed']);
    task = json.task_id;
    const answer = json.output.content;
    said.push(`user: ${text}`, `assistant: ${answer}`);
    const { messages, count } = (await client.get(`/${session}/messages`)).json;
    const seen = messages.map(({ role, content }: { role: string; content: string }) => `${role}: ${content}`);
    assert.deepEqual([seen, count], [said, said.length]);
    return answer;
  }

  return [
    [
      'the second chat of a session is shown the first, and both are read as soon as they are done',
      async () => {
        session = await client.create({ title: 'Seoul' });
        await talk(SAID);
        assert.ok((await talk(QUESTION)).includes(SAID));
        return `${said.length} messages`;
      },
    ],
    [
      'a search in Korean finds the session, and the list has it first',
      async () => {
        const startedAt = performance.now();
        const find = async (query: string) => (await client.get(`?query=${encodeURIComponent(query)}`)).json;
        let found = await find('대한민국');
        for (; found.total === 0 && performance.now() - startedAt < FOUND_MS; found = await find('대한민국'))
          await delay(20);
        const [only, ...more] = found.sessions;
        assert.deepEqual([only?.session_id, more, found.total], [session, [], 1]);
        assert.equal((await find('부산')).total, 0);
        const { sessions } = (await client.get()).json;
        assert.equal(sessions[0].session_id, session);
        return undefined;
      },
    ],
    [
      'a deleted session is gone, and its tasks are still read',
      async () => {
        const path = `${SESSIONS}/${session}`;
        const { json: before } = await getTask(url, task);
        assert.equal((await client.call('DELETE', path)).status, 204);
        for (const [method, at] of [
          ['DELETE', path],
          ['GET', path],
          ['GET', `${path}/messages`],
        ] as const)
          assert.equal((await client.call(method, at)).status, 404, `${method} ${at}`);
        assert.equal((await post(url, '/api/chat', chat(QUESTION, { session_id: session }))).status, 404);
        assert.equal((await client.get(`?query=${encodeURIComponent('대한민국')}`)).json.total, 0);
        const { status, json } = await getTask(url, task);
        assert.deepEqual([status, json], [200, before]);
        return undefined;
      },
    ],
  ];
}
