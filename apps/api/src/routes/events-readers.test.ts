import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EventSource } from 'eventsource';
import { type ClientEvent, chat, events, followToEnd, getTask, submit } from '../../../../scripts/testing/client.ts';
import { watchMachine } from '../../../../scripts/testing/machine.ts';
import {
  eventually,
  followedTasks,
  memoryMb,
  type RawConnection,
  rawConnection,
  rawGet,
} from '../../../../scripts/testing/raw.ts';
import { type System, startSystem } from '../../../../scripts/testing/system.ts';
import { startUpstream, type Upstream } from '../../../../scripts/testing/upstream.ts';

const READER_TIMEOUT_MS = 2_000;
const STUCK_READERS = 40;
/** More than the buffers of two sockets take. */
const LARGE_OUTPUT = 24 * 1024 * 1024;

let system: System;
let upstream: Upstream;
before(async () => {
  upstream = await startUpstream();
  const env = { READER_TIMEOUT_MS: String(READER_TIMEOUT_MS), MAX_OUTPUT_BYTES: String(2 * LARGE_OUTPUT) };
  system = await startSystem({ env: { ...upstream.env, ...env } });
});
after(async () => {
  await system.stop();
  await upstream.stop();
});

/** Asks for a task's events and never reads them. */
function stuckReader(port: number, id: string, query = ''): RawConnection {
  const connection = rawConnection(port);
  connection.send(`GET /tasks/${id}/events${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return connection;
}

/** Whether more than the head has come to it: its stream has begun, and takes a place until it is cut. */
const hasBegun = ({ socket }: RawConnection) => socket.readableLength > 1_000;

test('readers that never read are cut after the reader timeout, cost little memory, and delay nobody', async (t) => {
  upstream.answer = (call) => {
    for (let i = 0; i < LARGE_OUTPUT / 8_192; i++) call.text('x'.repeat(8_192));
    call.finish();
  };
  const large = await submit(system.url, chat('large'));
  await eventually(
    async () => (await getTask(system.url, large)).json.status,
    (status) => status === 'completed',
  );

  upstream.answer = () => undefined;
  const number = upstream.calls.length + 1;
  const live = await submit(system.url, chat('live'));
  const call = await upstream.call(number);
  const port = system.apis[0]?.port ?? 0;
  const pid = system.apis[0]?.child.pid;
  const healthy = rawGet(port, `/tasks/${live}/events`);
  // At an API without stuck readers, which is as busy otherwise.
  const elsewhere = await system.startApi();
  const control = rawGet(elsewhere.port, `/tasks/${live}/events`);
  for (const reader of [healthy, control]) await reader.has(/event: started/);

  const before = await memoryMb(pid);
  const machine = watchMachine(t, elsewhere.url);
  const startedAt = performance.now();
  const stuck = Array.from({ length: STUCK_READERS }, () => stuckReader(port, large));
  let grown = 0;
  let waitedLonger = 0;
  let cutAfterMs = 0;
  for (let i = 0; cutAfterMs === 0; i++) {
    call.text(`piece-${i} `);
    const [at = 0, controlAt = 0] = await Promise.all(
      [healthy, control].map((reader) => reader.has(new RegExp(`piece-${i} `)).then(() => performance.now())),
    );
    waitedLonger = Math.max(waitedLonger, at - controlAt);
    grown = Math.max(grown, (await memoryMb(pid)) - before);
    assert.ok(performance.now() - startedAt < 30_000 + machine.lateMs(), 'the stuck readers are never cut');
    // The healthy reader's task alone.
    if (stuck.every(hasBegun) && (await followedTasks(system.url)) === 1) cutAfterMs = performance.now() - startedAt;
  }
  assert.ok(cutAfterMs >= READER_TIMEOUT_MS, `cut after ${cutAfterMs} ms`);
  assert.ok(grown < STUCK_READERS * 5, `${STUCK_READERS} stuck readers cost ${Math.round(grown)} MB`);
  assert.ok(waitedLonger < 1_500, `the healthy reader waited ${waitedLonger} ms longer than one elsewhere`);
  call.finish();
  await healthy.has(/event: done/);
  for (const reader of [healthy, control]) reader.close();

  // What a cut reader got is a part of the log, and it goes on from there.
  const [first] = stuck;
  first?.read();
  const got = (await first?.ended) ?? '';
  const last = [...got.matchAll(/^id: (\d+-\d+)$[\s\S]*?\n\n/gm)].at(-1)?.[1];
  assert.ok(last, 'some frames came');
  assert.doesNotMatch(got, /event: done/);
  for (const connection of stuck) connection.close();
  const rest = await followToEnd(system.url, large, { after: last });
  assert.equal(rest.at(-1)?.type, 'done');
});

test('a reader that never takes the end of a task is cut like any other', async () => {
  upstream.answer = (call) => {
    for (let i = 0; i < LARGE_OUTPUT / 8_192; i++) call.text('x'.repeat(8_192));
    call.finish();
  };
  const id = await submit(system.url, chat('a large end'));
  const log = await followToEnd(system.url, id);
  const startedAt = performance.now();
  const connection = stuckReader(system.apis[0]?.port ?? 0, id, `?after=${log.at(-2)?.id}`);
  await eventually(async () => hasBegun(connection), Boolean);
  await eventually(
    () => followedTasks(system.url),
    (followed) => followed === 0,
  );
  assert.ok(performance.now() - startedAt >= READER_TIMEOUT_MS, 'not before its time');
  connection.read();
  assert.doesNotMatch(await connection.ended, /\r\n0\r\n\r\n$/);
});

test('streams asked for ahead on one connection come one after the other, each whole', async () => {
  upstream.answer = (call) => {
    call.text('of the second');
    call.finish();
  };
  const ended = await submit(system.url, chat('second'));
  await followToEnd(system.url, ended);
  upstream.answer = () => undefined;
  const number = upstream.calls.length + 1;
  const live = await submit(system.url, chat('first'));
  const call = await upstream.call(number);
  const connection = rawConnection(system.apis[0]?.port ?? 0);
  connection.read();
  for (const id of [live, ended]) connection.send(`GET /tasks/${id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  for (let i = 0; i < 20; i++) {
    call.text(`piece-${i} `);
    await connection.has(new RegExp(`piece-${i} `));
  }
  assert.doesNotMatch(connection.text(), /of the second/);
  call.finish();
  await connection.has(/of the second[\s\S]*event: done[\s\S]*\r\n0\r\n\r\n$/);
  const streams = connection.text().split('HTTP/1.1 200 OK').slice(1);
  assert.equal(streams.length, 2);
  for (const stream of streams) {
    const body = stream.slice(stream.indexOf('\r\n\r\n') + 4);
    assert.equal(body.match(/event: done\n/g)?.length, 1);
    // Every chunk is as long as it says, and the last one is empty.
    let at = 0;
    for (let length = -1; length !== 0; ) {
      const head = /^([0-9a-f]+)\r\n/.exec(body.slice(at));
      assert.ok(head, `a chunk begins at ${at}`);
      length = Number.parseInt(head[1] ?? '', 16);
      at += head[0].length + length;
      assert.equal(body.slice(at, at + 2), '\r\n');
      at += 2;
    }
    assert.equal(at, body.length);
  }
  connection.close();
});

test('a reader slower than the model gets everything, without gap or repeat', async () => {
  upstream.answer = (call) => {
    for (let i = 0; i < 2_000; i++) call.text(`${i} `.padEnd(4_096, 'y'));
    call.finish();
  };
  const id = await submit(system.url, chat('slow reader'));
  const seen: ClientEvent[] = [];
  for await (const event of events(system.url, id)) {
    seen.push(event);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(seen, await followToEnd(system.url, id));
  assert.equal(seen.at(-1)?.data.output.content.length, 2_000 * 4_096);
});

test('a stock EventSource whose API dies reconnects by itself, misses nothing, repeats nothing, and stops at 204', async () => {
  upstream.answer = () => undefined;
  const number = upstream.calls.length + 1;
  const api = await system.startApi();
  const id = await submit(api.url, chat('by EventSource'));
  const call = await upstream.call(number);

  const source = new EventSource(`${api.url}/tasks/${id}/events?after=0-0`);
  const ids: string[] = [];
  const text: string[] = [];
  const closed = Promise.withResolvers<number | undefined>();
  for (const type of ['queued', 'started', 'text', 'text_done', 'done']) {
    source.addEventListener(type, (event) => {
      ids.push(event.lastEventId);
      if (type === 'text') text.push(JSON.parse(event.data).data.content);
    });
  }
  source.addEventListener('error', (event) => {
    if (source.readyState === source.CLOSED) closed.resolve(event.code);
  });
  const says = async (content: string) => {
    call.text(content);
    await eventually(
      async () => text.join(''),
      (said) => said.endsWith(content),
    );
  };

  await says('before ');
  await api.signal('SIGKILL');
  call.text('meanwhile ');
  await system.startApi({}, api.port);
  await says('after ');
  call.finish();
  assert.equal(await closed.promise, 204);
  const log = await followToEnd(system.url, id);
  assert.deepEqual(
    ids,
    log.map((event) => event.id),
  );
  assert.equal(text.join(''), 'before meanwhile after ');
});
