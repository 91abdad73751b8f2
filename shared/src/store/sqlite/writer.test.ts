/** What owners wait for at the writer, in pieces and transactions. The thread's own parts, on a real file, without the thread. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { randomOf, someMessage, someSession, T0 } from '../contract/samples.ts';
import { leftWork } from './left.ts';
import { sqliteMessages } from './messages.ts';
import { type Call, now, type Reply } from './nouns.ts';
import { openSql } from './schema.ts';
import { sqliteSessions } from './sessions.ts';
import { someFile } from './testing/process.ts';
import { whole } from './testing/whole.ts';
import { createWriter } from './writer.ts';

const random = randomOf(31);
const noise = (length: number) =>
  Array.from({ length }, () => String.fromCharCode(0x21 + Math.floor(random() * 90))).join('');

function setup(t: TestContext, file = someFile()) {
  const sql = openSql(file, 1_000);
  t.after(() => sql.close());
  const nouns = { sessions: sqliteSessions(sql), messages: sqliteMessages(sql) };
  /** What happens, in order: `begin`, `commit`, `answer 3`, and what a test adds. */
  const log: string[] = [];
  const waiting: Call[] = [];
  let onCommit = (_count: number) => {};
  let commits = 0;
  const watched = {
    ...sql,
    run(text: string, ...values: Parameters<typeof sql.run> extends [string, ...infer Rest] ? Rest : never) {
      const changed = sql.run(text, ...values);
      if (text === 'COMMIT') {
        log.push('commit');
        onCommit(++commits);
      }
      return changed;
    },
  };
  let n = 0;
  const call = (line: string, noun: 'sessions' | 'messages', method: string, ...given: unknown[]): Call => ({
    ...{ n: n++, noun, method, line, given: [line, ...given], until: now() + 60_000 },
  });
  const replies: Reply[] = [];
  const writer = createWriter({
    open: () => ({ sql: watched, forget() {} }),
    run: ({ noun, method, given }) =>
      (nouns as unknown as Record<string, Record<string, (...all: unknown[]) => unknown>>)[noun]?.[method]?.(...given),
    left: () => leftWork(sql),
    patiently: (work) => work(),
    late: ({ n }) => ({ n, error: { away: true, message: 'late', detail: '' } }),
    failure: ({ n }, error) => ({ n, error: { away: false, message: String(error), detail: '' } }),
    isAway: () => false,
    giveUp() {},
    post(reply) {
      replies.push(reply);
      log.push(`answer ${reply.n}`);
    },
    nextCall: () => waiting.shift(),
  });
  return {
    ...{ sql, nouns, log, waiting, replies, call, writer },
    onCommit(work: (count: number) => void) {
      onCommit = work;
    },
    session(owner: string) {
      const session = someSession(owner);
      nouns.sessions.create(session);
      return session.id;
    },
    append(owner: string, sessionId: string, ...texts: string[]) {
      const messages = texts.map((text, i) => someMessage(text, { createdAt: T0 + i }));
      return call(owner, 'messages', 'append', sessionId, { id: 't', messages, tokens: 1, now: T0 });
    },
    async answered(count: number) {
      while (replies.length < count) await setTimeout(1);
      for (const reply of replies) assert.ok(!('error' in reply), JSON.stringify(reply));
    },
  };
}

test('a write of another owner waits for one piece of a flood, whenever it comes', async (t) => {
  for (const at of [1, 2, 5, 9]) {
    const { log, waiting, writer, session, append, onCommit, answered } = setup(t);
    const [flooded, quiet] = [session('flood'), session('quiet')];
    const flood = Array.from({ length: 10 }, () => append('flood', flooded, noise(20_000)));
    const write = append('quiet', quiet, 'a few words');
    onCommit((count) => {
      if (count !== at) return;
      log.push('comes');
      waiting.push(write);
    });
    waiting.push(...flood.slice(1));
    writer.write(flood[0] as Call);
    await answered(11);
    const waited = log.slice(log.indexOf('comes'), log.indexOf(`answer ${write.n}`));
    assert.ok(waited.filter((one) => one === 'commit').length <= 2, waited.join());
  }
});

test('of a flood each owner has its turn: two that write as much end together', async (t) => {
  const { log, waiting, writer, session, append, answered } = setup(t);
  const [first, second] = [session('first'), session('second')];
  const [a, b] = [append('first', first, noise(20_000)), append('second', second, noise(20_000))];
  waiting.push(b);
  writer.write(a);
  await answered(2);
  const between = log.slice(log.indexOf(`answer ${a.n}`), log.indexOf(`answer ${b.n}`));
  assert.ok(between.filter((one) => one === 'commit').length <= 1, log.join());
});

test('the words of a long text are found when it is acknowledged, also by who sent it again', async (t) => {
  const { nouns, waiting, writer, session, append, answered, log, onCommit } = setup(t);
  const id = session('o');
  const text = noise(30_000);
  const first = append('o', id, text);
  const again = { ...first, n: 100 };
  const ends = [text.slice(0, 30), text.slice(10_000, 10_030)];
  let early = 0;
  onCommit((count) => {
    if (count === 1) waiting.push(again);
    if (nouns.messages.matching('o', ends[1] as string, 5).length === 0) early++;
  });
  writer.write(first);
  await answered(2);
  assert.ok(early >= 2, 'it was indexed in pieces');
  for (const part of ends) assert.equal(nouns.messages.matching('o', part, 5).length, 1);
  assert.deepEqual(
    log.filter((one) => one.startsWith('answer')),
    [`answer ${first.n}`, 'answer 100'],
  );
  assert.equal(nouns.messages.page('o', id, { limit: 5, before: null }).length, 1);
});

test('a long session is deleted in pieces, between which others write; it reads as none from the first on', async (t) => {
  const { sql, nouns, waiting, writer, session, append, call, answered, log, onCommit } = setup(t);
  const [long, quiet] = [session('o'), session('quiet')];
  for (let n = 0; n < 20; n++) {
    const messages = Array.from({ length: 100 }, (_, i) => someMessage('a bean', { createdAt: T0 + 100 * n + i }));
    whole(nouns.messages.append('o', long, { id: 't', messages, tokens: 1, now: T0 }));
  }
  const left = () => Number(sql.get('SELECT count(*) AS count FROM messages WHERE session = ?', place)?.count);
  const place = sql.get('SELECT place FROM sessions WHERE id = ?', long)?.place as number;
  const deletion = call('o', 'sessions', 'delete', long);
  const writes = Array.from({ length: 8 }, () => append('quiet', quiet, 'a few words'));
  const seen: number[] = [];
  onCommit((count) => {
    seen.push(left());
    assert.equal(nouns.sessions.read('o', long), null);
    assert.deepEqual(nouns.messages.page('o', long, { limit: 5, before: null }), []);
    assert.deepEqual(nouns.messages.matching('o', 'bean', 5), []);
    const write = writes[count];
    if (write) waiting.push(write);
  });
  writer.write(deletion);
  await answered(8);
  assert.equal(log[1], `answer ${deletion.n}`);
  // Each in the next transaction: after one piece at most.
  for (const { n } of writes.slice(1)) assert.ok(log.includes(`answer ${n}`));
  while (leftWork(sql).length > 0) await setTimeout(1);
  assert.equal(left(), 0);
  const steps = seen.map((count, i) => (seen[i - 1] ?? 2_000) - count);
  assert.ok(
    steps.every((step) => step <= 100),
    seen.join(),
  );
  assert.deepEqual(leftWork(sql), []);
});

test('what a writer that ended left to do, the next one does with its first write', async (t) => {
  const { sql, nouns, writer, session, append, answered } = setup(t);
  const [gone, kept, quiet] = [session('o'), session('o'), session('quiet')];
  const messages = Array.from({ length: 250 }, (_, i) => someMessage('a bean', { createdAt: T0 + i }));
  nouns.messages.append('o', gone, { id: 't', messages, tokens: 1, now: T0 });
  const text = noise(20_000);
  // Each as far as its first transaction.
  nouns.messages.append('o', kept, { id: 't', messages: [someMessage(text)], tokens: 1, now: T0 });
  const place = sql.get('SELECT place FROM sessions WHERE id = ?', gone)?.place as number;
  nouns.sessions.delete('o', gone);
  assert.equal(leftWork(sql).length, 2);
  assert.deepEqual(nouns.messages.matching('o', text.slice(0, 30), 5), []);
  writer.write(append('quiet', quiet, 'a few words'));
  await answered(1);
  while (leftWork(sql).length > 0) await setTimeout(1);
  assert.equal(nouns.messages.matching('o', text.slice(0, 30), 5).length, 1);
  assert.equal(nouns.messages.matching('o', text.slice(9_000, 9_030), 5).length, 1);
  assert.equal(sql.get('SELECT 1 FROM messages WHERE session = ?', place), undefined);
});
