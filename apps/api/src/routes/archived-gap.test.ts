/** The events of a task whose log was too long to be kept whole. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { leftRedis, SHORT_RETENTION } from '../../../../scripts/testing/archived.ts';
import { type ClientEvent, events, followToEnd, getTask, submit } from '../../../../scripts/testing/client.ts';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

const ARCHIVE_EVENT_BYTES = 4_000;
const WORDS = 60;

let system: InProcess;
let upstream: Upstream;
let id = '';
/** The log as it was in Redis, and as it is in the store. */
const log: ClientEvent[] = [];
let kept: ClientEvent[] = [];

let next: () => void = () => undefined;
const wasRead = () =>
  new Promise<void>((resolve) => {
    next = resolve;
  });

const read = (after: string) => Array.fromAsync(events(system.url, id, after));

before(async () => {
  // Each word is an event of its own: the next one is sent when it has been read.
  upstream = await startUpstream(async (call) => {
    for (let i = 0; i < WORDS; i++) {
      call.text(`${i} ${'x'.repeat(100)} `);
      await wasRead();
    }
    call.finish();
  });
  system = await startInProcess({
    env: { ...upstream.env, ...SHORT_RETENTION, ARCHIVE_EVENT_BYTES: String(ARCHIVE_EVENT_BYTES) },
  });
  id = await submit(system.url);
  for await (const event of events(system.url, id)) {
    log.push(event);
    if (event.type === 'text') next();
  }
  await leftRedis(system, [id]);
  kept = await read('0-0');
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

test('text is cut from the middle within the limit, and one gap names the events that are missing', () => {
  assert.equal(log.filter(({ type }) => type === 'text').length, WORDS);
  const gaps = kept.filter(({ type }) => type === 'gap');
  assert.equal(gaps.length, 1);
  const [gap] = gaps as [ClientEvent];
  const at = kept.indexOf(gap);
  const index = (eventId?: string) => log.findIndex((event) => event.id === eventId);
  assert.deepEqual(gap.data, { from: kept[at - 1]?.id, to: gap.id, snapshot_url: `/tasks/${id}` });
  const missing = log.slice(index(gap.data.from) + 1, index(gap.id) + 1);
  assert.ok(missing.length > 5 && missing.every(({ type }) => type === 'text'));
  assert.deepEqual(
    kept.filter((event) => event !== gap),
    log.filter((event) => !missing.includes(event)),
  );
  assert.ok(JSON.stringify(kept.slice(0, -1)).length < 3 * ARCHIVE_EVENT_BYTES);
});

test('from any cursor exactly the later events come that are kept, and a gap only where one of them is missing', async () => {
  for (const [index, { id: cursor }] of log.slice(0, -1).entries()) {
    const seen = await read(cursor);
    const [first] = seen;
    const later = kept.filter((event) => event.type !== 'gap' && log.findIndex(({ id }) => id === event.id) > index);
    if (log[index + 1]?.id === later[0]?.id) {
      assert.deepEqual(first, later[0], `no gap after ${cursor}`);
    } else assert.deepEqual([first?.type, first?.data.from], ['gap', cursor]);
    assert.deepEqual(
      seen.filter(({ type }) => type !== 'gap'),
      later,
    );
  }
});

test('the task itself, and its end, are whole', async () => {
  const { json } = await getTask(system.url, id);
  assert.equal(json.output.content.match(/x+ /g).length, WORDS);
  assert.deepEqual(kept.at(-1)?.data.output, json.output);
  assert.deepEqual(await followToEnd(system.url, id, { dropEvery: 3 }), kept);
});
