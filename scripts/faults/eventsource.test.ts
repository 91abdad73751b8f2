/** The `eventsource` package as it comes: a stock reader rides out the restarts of its API by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { chat, submit } from '../testing/client.ts';
import { until } from '../testing/until.ts';
import { checkClean, followWhole, startFaults } from './checks.ts';

const TYPES = ['queued', 'started', 'text', 'text_done', 'retrying', 'done'];

/** Listens as a page does. `requests` are the cursors it asked with. */
function listen(url: string) {
  const ids: string[] = [];
  const text: string[] = [];
  const requests: (string | null)[] = [];
  const closed = Promise.withResolvers<number | undefined>();
  let opened = 0;
  const source = new EventSource(url, {
    fetch(input, init) {
      requests.push(new Headers(init?.headers).get('last-event-id'));
      return fetch(input, init);
    },
  });
  source.addEventListener('open', () => {
    opened++;
  });
  for (const type of TYPES) {
    source.addEventListener(type, (event) => {
      ids.push(event.lastEventId);
      if (type === 'text') text.push(JSON.parse(event.data).data.content);
    });
  }
  source.addEventListener('error', (event) => {
    if (source.readyState === source.CLOSED) closed.resolve(event.code);
  });
  return { source, ids, requests, closed: closed.promise, opened: () => opened, said: () => text.join('') };
}

for (const [how, signal] of [
  ['drains', 'SIGTERM'],
  ['is killed', 'SIGKILL'],
] as const) {
  test(`an EventSource whose API ${how} twice and comes back resumes by itself, sees every event once and stops at 204`, async (t) => {
    const system = await startFaults({ apis: 1, env: { DRAIN_MS: '600' } });
    t.after(system.stop);
    const { model, url } = system;
    let [api] = system.apis;
    assert.ok(api);
    const { port } = api;
    const { prompt, call: callOf } = model(() => undefined);
    const id = await submit(url, chat(prompt));
    const call = await callOf(1);
    const reader = listen(`${url}/tasks/${id}/events`);
    t.after(() => reader.source.close());
    const says = async (content: string) => {
      call.text(content);
      await until(`it has read ${content}`, () => reader.said().endsWith(content));
    };

    await says('one ');
    for (const round of ['two', 'three']) {
      const opened = reader.opened();
      const stopped = api.signal(signal);
      call.text(`${round} `);
      await stopped;
      call.text(`(${round}, unheard) `);
      api = await system.startApi({}, port);
      await until('it is back', () => reader.opened() > opened);
      await says(`${round} again `);
    }
    call.finish();
    assert.equal(await reader.closed, 204);

    const log = await followWhole(url, id);
    assert.deepEqual(
      reader.ids,
      log.map((event) => event.id),
    );
    assert.equal(reader.said(), 'one two (two, unheard) two again three (three, unheard) three again ');
    assert.equal(reader.requests[0], null);
    // Each time it came back with an event it had seen, further on than before; the last time with `done`.
    // Before it had seen any it may have been sent back once.
    const again = reader.requests.slice(reader.requests.findIndex((cursor) => cursor !== null));
    const cursors = again.map((cursor) => reader.ids.indexOf(cursor ?? ''));
    assert.ok(cursors.length >= 3 && cursors.every((at, index) => at >= (cursors[index - 1] ?? 0)), `${cursors}`);
    assert.equal(reader.requests.at(-1), log.at(-1)?.id);
    await checkClean(system);
  });
}
