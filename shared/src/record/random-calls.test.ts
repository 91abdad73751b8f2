/**
 * The scripts under calls in random order, by seed: of runners that hold a task, of those that lost it, of clients and of the
 * sweep, each sent once or twice. After each call what must always hold is looked at.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type TaskRedis, taskRedis } from '../../../scripts/testing/task-redis.ts';
import type { AttemptRef, AttemptUsage } from './task-verdicts.ts';

const setup = taskRedis();
const CALLS = 700;
const MAX_STEPS_BYTES = 900;
const ENDED = new Set(['completed', 'failed', 'cancelled', 'expired']);

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomBy(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A task as its callers know it: all attempts there were, what they used, and which of them may have a step's effect. */
type Known = {
  id: string;
  refs: AttemptRef[];
  tokens: number;
  wasted: number;
  failures: number;
  once: Map<string, string>;
  /** Messages that were accepted, by their nonces; where each was taken; and whether the inbox was closed. */
  messages: Map<string, { id: string; mode: 'steer' | 'follow_up' }>;
  places: Map<string, string[]>;
  closed: boolean;
  /** How many were taken for a step that was finished after that. */
  heard: number;
};

function callers(at: TaskRedis, seed: number) {
  const { tasks, keys, redis } = at;
  const random = randomBy(seed);
  const pick = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)] as T;
  const chance = (share: number) => random() < share;
  let nonces = 0;
  const nonce = () => `${seed}-${++nonces}`;
  const usageOf = (): AttemptUsage =>
    chance(0.3)
      ? undefined
      : { inputTokens: Math.floor(random() * 9), outputTokens: Math.floor(random() * 9), estimated: false };
  const sum = (usage: AttemptUsage) => (usage ? usage.inputTokens + usage.outputTokens : 0);
  const here = (id: string) =>
    Promise.all([
      redis.hgetall(keys.task(0, id)),
      redis.xlen(keys.log(0, id)),
      redis.hgetall(keys.steps(0, id)),
      redis.hgetall(keys.inbox(0, id)),
      at.counts(),
    ]);

  /** Sends once or twice. A repeat gets the first answer, and changes nothing. */
  async function send<T>(id: string, call: () => Promise<T>): Promise<T> {
    const first = await call();
    // What is not due yet may be due by now.
    if (chance(0.6) || (first as { verdict?: string }).verdict === 'later') return first;
    const before = await here(id);
    assert.deepEqual(await call(), first);
    assert.deepEqual(await here(id), before);
    return first;
  }

  /** The attempt that holds the task, one that did, or one that never was. */
  const refOf = ({ id, refs }: Known): AttemptRef =>
    (chance(0.75) ? refs.at(-1) : chance(0.7) ? refs[Math.floor(random() * refs.length)] : undefined) ?? {
      id,
      attempt: refs.length || 1,
      fence: nonce(),
    };

  /** Sends what a runner says. Of one that does not hold the task nothing changes. */
  async function say<T extends string | { verdict: string }>(
    task: Known,
    call: (ref: AttemptRef, last: string) => Promise<T>,
  ) {
    const ref = refOf(task);
    const [status, fence, last] = await redis.hmget(keys.task(0, task.id), 'status', 'fence', 'last_id');
    const holds = status === 'in_progress' && fence === ref.fence;
    const before = holds ? null : await here(task.id);
    const answer = await send(task.id, () => call(ref, last ?? ''));
    if (before) assert.deepEqual(await here(task.id), before);
    else assert.doesNotMatch(typeof answer === 'string' ? answer : answer.verdict, /superseded|behind/);
    return { holds, answer, ref };
  }
  const piece = (last: string) => {
    const [attempt, seq] = last.split('-').map(Number);
    return { id: `${attempt}-${(seq ?? 0) + 1}`, type: 'text', data: '{"content":"a"}' };
  };

  const calls: ((task: Known) => Promise<unknown>)[] = [
    async function begin(task) {
      const before = await redis.hgetall(keys.task(0, task.id));
      const fence = before.status === 'in_progress' && chance(0.5) ? (before.fence ?? '') : nonce();
      const options = at.beginOptions({ fence, mayRestart: chance(0.9) });
      const begun = await send(task.id, () => tasks.begin(task.id, options));
      if (before.status === 'in_progress' && before.fence !== fence && !before.cancel_requested_at) task.failures++;
      if (begun.verdict !== 'start') return;
      if (before.fence !== fence) task.refs.push({ id: task.id, attempt: begun.attempt, fence });
      assert.equal(begun.attempt, task.refs.length);
    },
    (task) => say(task, (ref, last) => tasks.append(ref, last, [piece(last)])),
    async function release(task) {
      const kind = pick(['retry', 'hand back', 'wait', 'wait', 'park']);
      const expiresAt = Date.now() + (chance(0.4) ? -60_000 : 600_000);
      const options = {
        ...(kind === 'park' ? at.parking('', { expiresAt, onExpiry: pick(['expire', 'resume']) }) : at.retry('')),
        ...(kind === 'wait' ? { waits: pick(['provider_away', 'store_away']) } : {}),
        ...{ usage: usageOf(), failure: kind === 'retry', delayMs: chance(0.2) ? 3 : 0 },
      };
      const speaks = chance(0.5);
      const { holds, answer } = await say(task, (ref, last) =>
        tasks.release(ref, { ...options, after: last, entries: speaks ? [piece(last)] : [] }),
      );
      if (!holds) return;
      task.tokens += sum(options.usage);
      if (answer.verdict === 'ended') return;
      if (kind === 'retry') task.failures++;
      if (kind !== 'park') task.wasted += sum(options.usage);
    },
    async function finish(task) {
      const usage = usageOf();
      const status = pick(['completed', 'failed', 'cancelled'] as const);
      if (chance(0.5)) return;
      const { holds } = await say(task, (ref, last) => tasks.finish(ref, { ...at.ending(last), usage, status }));
      if (!holds) return;
      task.tokens += sum(usage);
      if (status === 'failed') task.failures++;
    },
    async function beginStep(task) {
      const key = pick(['a', 'b|1', 'c\n|done|1|']);
      const { answer, ref } = await say(task, (by) => tasks.beginStep(by, key, 'once'));
      if (answer.verdict !== 'run') return;
      // Two attempts are never both told to have the effect.
      assert.equal(task.once.get(key) ?? ref.fence, ref.fence);
      task.once.set(key, ref.fence);
    },
    async function finishStep(task) {
      const key = pick(['a', 'b|1', 'd', 'e']);
      const usage = usageOf();
      const known = (await tasks.finishedSteps(task.id)).has(key);
      const done = { key, effect: 'once', result: JSON.stringify('|\n'.repeat(random() * 40)), usage } as const;
      const { holds, answer } = await say(task, (by) => tasks.finishStep(by, done));
      if (!holds || answer.verdict !== 'done' || known) return;
      task.tokens += sum(usage);
      task.failures = 0;
      task.heard += task.places.get(key)?.length ?? 0;
    },
    async function message(task) {
      const known = chance(0.2) ? [...task.messages.keys()][0] : undefined;
      const sent = { nonce: known ?? nonce(), id: `msg_${nonce()}`, mode: pick(['steer', 'follow_up'] as const) };
      const { id: first, mode } = task.messages.get(sent.nonce) ?? sent;
      const [status = '', mark] = await redis.hmget(keys.task(0, task.id), 'status', 'cancel_requested_at');
      const more = { fingerprint: mode, content: '"\\n|"', notAfter: Date.now() + (chance(0.1) ? -60_000 : 60_000) };
      const reply = await send(task.id, () => tasks.message(task.id, { ...sent, mode, ...more }));
      if (known !== undefined) assert.deepEqual(reply, { verdict: 'accepted', id: first });
      if (reply.verdict !== 'accepted' || known !== undefined) return;
      assert.ok(!task.closed && !ENDED.has(status ?? '') && !mark);
      task.messages.set(sent.nonce, { id: reply.id, mode });
    },
    async function take(task) {
      const place = pick(['a', 'b|1', 'c\n', `turn ${nonce()}`]);
      const which = pick(['steer', 'all'] as const);
      const { holds, answer } = await say(task, (ref) => tasks.takeMessages(ref, place, which));
      if (!holds || answer.verdict !== 'taken') return;
      const found = answer.messages.map(({ id }) => id);
      const known = task.places.get(place);
      if (known) assert.deepEqual(found, known);
      else if (found.length > 0) task.places.set(place, found);
      const taken = new Set([...task.places.values()].flat());
      const unread = [...task.messages.values()].filter(({ id }) => !taken.has(id));
      if (!known && which === 'steer') assert.ok(answer.messages.every(({ mode }) => mode === 'steer'));
      if (!known) assert.ok(unread.every(({ mode }) => which === 'steer' && mode === 'follow_up'));
    },
    async function close(task) {
      if (chance(0.7)) return;
      const { holds, answer } = await say(task, (ref) => tasks.closeInbox(ref));
      if (holds && answer === 'closed') task.closed = true;
    },
    async function adjust({ id }) {
      const wait = { nonce: nonce(), dueAt: chance(0.5) ? 0 : Date.now() + 3, reason: pick(['budget', 'paused']) };
      await send(id, () => tasks.adjust(id, wait));
    },
    async function answer({ id }) {
      const reply = at.reply(pick(['appr_1', 'appr_1', 'appr_2']), nonce());
      await send(id, () => tasks.answer(id, reply));
    },
    async function cancel({ id }) {
      const by = { nonce: nonce() };
      if (chance(0.2)) await send(id, () => tasks.cancel(id, 'anna', by));
    },
    async function sweep({ id }) {
      const { status = '', attempt } = await at.record(id);
      const end = pick(['expired', 'cancelled'] as const);
      if (chance(0.2)) await send(id, () => tasks.finishOverdue(id, { status, attempt: Number(attempt) }, end));
    },
  ];
  return { chance, pick, calls };
}

/** What holds of each task at every moment. */
async function look(at: TaskRedis, all: Known[], task: Known) {
  const record = await at.record(task.id);
  const number = (name: string) => Number(record[name] ?? 0);
  assert.equal(number('input_tokens') + number('output_tokens'), task.tokens);
  assert.equal(number('wasted_tokens'), task.wasted);
  assert.equal(number('failures'), task.failures);
  assert.ok(number('steps_bytes') <= MAX_STEPS_BYTES);
  assert.equal('waits' in record, 'away_since' in record);
  const taken = [...task.places.values()].flat();
  assert.equal(new Set(taken).size, taken.length);
  const unread = [...task.messages.values()].filter(({ id }) => !taken.includes(id));
  assert.deepEqual([number('messages'), number('unread')], [task.messages.size, unread.length]);
  assert.equal(number('heard'), task.heard);
  assert.equal(number('steers'), unread.filter(({ mode }) => mode === 'steer').length);
  if (task.closed) assert.equal(unread.length, 0);
  if (record.counted) assert.equal(record.status, 'queued');
  const counted = await Promise.all(all.map(({ id }) => at.redis.hexists(at.keys.task(0, id), 'counted')));
  const waiting = counted.reduce((total, one) => total + one, 0);
  assert.equal(Number((await at.counts())['chat.request:tasks'] ?? 0), waiting);
}

async function play(t: TestContext, seed: number) {
  const at = setup(t, { limits: { maxStepsBytes: MAX_STEPS_BYTES } });
  const { chance, pick, calls } = callers(at, seed);
  const often = calls.filter(({ name }) => ['begin', 'message', 'take'].includes(name));
  const all: Known[] = [];
  let open: Known[] = [];
  for (let n = 0; n < CALLS; n++) {
    if (open.length < 5) {
      const id = await at.create(chance(0.1) ? { startBy: Date.now() - 60_000 } : {});
      const task = {
        id,
        refs: [],
        tokens: 0,
        wasted: 0,
        failures: 0,
        once: new Map(),
        messages: new Map(),
        places: new Map(),
        closed: false,
        heard: 0,
      };
      all.push(task);
      open.push(task);
    }
    const task = pick(open);
    await pick([...calls, ...often])(task);
    await look(at, all, task);
    // Some are called on after their end.
    if (ENDED.has((await at.record(task.id)).status ?? '') && chance(0.3))
      open = open.filter((other) => other !== task);
  }
  for (const { id } of all) {
    const ended = ENDED.has((await at.record(id)).status ?? '');
    const log = await at.events(id);
    assert.equal(log.filter(({ type }) => type === 'done').length, ended ? 1 : 0);
    assert.equal((await at.redis.zscore(at.keys.open(0), id)) === null, ended);
    const told = log.filter(({ type, data }) => type === 'waiting' && !('discard' in data));
    for (const [i, { data, id: eventId }] of told.entries()) {
      const before = told[i - 1];
      if (before?.id.split('-')[0] === eventId.split('-')[0]) assert.notEqual(data.reason, before?.data.reason);
    }
  }
  console.error(
    all.length,
    all.reduce((s, x) => s + x.messages.size, 0),
    all.reduce((s, x) => s + x.places.size, 0),
    all.filter((x) => x.closed).length,
  );
  assert.ok(all.length > 10);
}

for (const seed of [1, 2, 3]) {
  test(`whatever is called in whatever order, a task ends once, and counts and sums are exact (seed ${seed})`, (t) =>
    play(t, seed));
}
