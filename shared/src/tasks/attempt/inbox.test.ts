/** What a handler takes of the messages to its task, over several attempts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handledTask } from '../../../../scripts/testing/handled-task.ts';
import type { Context } from '../../context.ts';
import { TaskError } from '../../errors.ts';

const setup = handledTask();
const busy = () => new TaskError('provider_busy', 'not now');

/** Turns until nothing is unread, at most `most`: each hears what was sent, and says how much it has heard in all. */
const talk =
  ({
    least = 1,
    most = 50,
    during = async () => {},
  }: {
    least?: number;
    most?: number;
    during?: (turn: number) => Promise<void>;
  } = {}) =>
  async (context: Context) => {
    const history: string[] = [];
    for (let turn = 1; turn <= most; turn++) {
      const key = `turn:${turn}`;
      history.push(...(await context.inbox(key)).map(({ content }) => `user ${content}`));
      const said = await context.step(key, {
        effect: 'none',
        async run() {
          const heard = history.filter((line) => line.startsWith('user')).length;
          await during(turn);
          return `turn ${turn} after ${heard}`;
        },
      });
      history.push(said);
      if (turn >= least && (await context.closeInbox())) break;
    }
    return { history };
  };

async function start(t: Parameters<typeof setup>[0]) {
  const at = await setup(t);
  let sent = 0;
  return {
    ...at,
    async send(content: string, mode: 'steer' | 'follow_up' = 'steer') {
      const id = `msg_${++sent}`;
      const message = { id, nonce: id, mode, content: JSON.stringify(content), fingerprint: '' };
      const { verdict } = await at.tasks.message(at.id, { ...message, notAfter: Number.MAX_SAFE_INTEGER });
      return verdict;
    },
    history: async () => JSON.parse((await at.read()).output ?? 'null')?.history,
    steered: async () =>
      (await at.events(at.id)).filter(({ type }) => type === 'steered').map(({ data }) => data.message_id),
  };
}

test('a message is heard by the next turn, a follow-up when the work is done, and after the answer none is accepted', async (t) => {
  const { run, send, history, steered } = await start(t);
  await send('before');
  await send('later', 'follow_up');
  const late: string[] = [];
  const { status } = await run(async (context) => {
    const output = await talk({ least: 2, during: async (turn) => void (turn === 1 && (await send('during'))) })(
      context,
    );
    late.push(await send('late'));
    return output;
  });
  assert.equal(status, 'completed');
  assert.deepEqual(await history(), [
    ...['user before', 'turn 1 after 1', 'user during', 'turn 2 after 2', 'user later', 'turn 3 after 3'],
  ]);
  assert.deepEqual([late, await steered()], [['closed'], ['msg_1', 'msg_3', 'msg_2']]);
});

test('later attempts find the same messages at the same turns, and readers are told again', async (t) => {
  const { run, send, history, events, id } = await start(t);
  for (let attempt = 1; attempt <= 3; attempt++) {
    await run(
      talk({
        least: 3,
        async during(turn) {
          await send(`${attempt}.${turn}`);
          if (turn === attempt) throw busy();
        },
      }),
    );
  }
  await run(talk());
  assert.deepEqual(await history(), [
    ...['user 1.1', 'turn 1 after 1', 'user 2.1', 'turn 2 after 2'],
    ...['user 2.2', 'user 3.2', 'turn 3 after 4', 'user 3.3', 'turn 4 after 5'],
  ]);
  const told = (await events(id)).filter(({ type, id: at }) => type === 'steered' && at.startsWith('4-'));
  assert.deepEqual(
    told.map(({ data }) => data.message_id),
    ['msg_1', 'msg_2', 'msg_3', 'msg_4', 'msg_5'],
  );
});

test('a handler that ends without closing leaves what is unread for the client to see', async (t) => {
  const { run, send, read, events, id } = await start(t);
  const { status } = await run(talk({ most: 1, during: async () => void (await send('too late for this')) }));
  assert.equal(status, 'completed');
  assert.equal((await read()).unreadMessages, 1);
  assert.equal((await events(id)).filter(({ type }) => type === 'steered').length, 0);
});

test('what a turn after the last had taken is heard when that turn is made again', async (t) => {
  const { run, send, history } = await start(t);
  await run(
    talk({
      async during(turn) {
        if (turn === 1) await send('more');
        else throw busy();
      },
    }),
  );
  await run(talk());
  assert.deepEqual(await history(), ['turn 1 after 0', 'user more', 'turn 2 after 1']);
});

test('a finished turn takes nothing more: what comes later is heard by one that can answer it', async (t) => {
  const { run, send, history } = await start(t);
  await run(
    talk({
      least: 2,
      async during(turn) {
        if (turn === 1) return;
        await send('late');
        throw busy();
      },
    }),
  );
  await run(talk({ least: 2 }));
  assert.deepEqual(await history(), ['turn 1 after 0', 'user late', 'turn 2 after 1']);
});

test('taking costs no call of Redis while nothing is unread', async (t) => {
  const { run, deps } = await start(t);
  const calls: string[] = [];
  for (const name of ['takeMessages', 'takenMessages', 'closeInbox'] as const) {
    const real = deps.tasks[name] as (...args: unknown[]) => Promise<never>;
    deps.tasks[name] = (...args: unknown[]) => {
      calls.push(name);
      return real(...args);
    };
  }
  await run(talk({ least: 5 }));
  assert.deepEqual(calls, ['closeInbox']);
});

test('what was taken before a person was asked is not told again', async (t) => {
  const { run, send, steered, events, id, deps } = await start(t);
  await send('hello');
  const work = async (context: Context) => {
    const heard = await context.inbox('one');
    await context.step('one', { effect: 'none', run: async () => heard.length });
    await context.approve({ key: 'may I', tool: 'mail', arguments: {}, expiresInMs: 60_000 });
    return { history: heard.map(({ content }) => content) };
  };
  assert.equal((await run(work)).status, 'input_required');
  assert.equal(await send('while it is parked'), 'accepted');
  const asked = (await events(id)).find(({ type }) => type === 'human_approval');
  const reply = { approval_id: asked?.data.approval_id, action: 'run', by: 'anna' };
  await deps.tasks.answer(id, { approvalId: reply.approval_id, nonce: 'n', answer: reply, resumed: reply });
  const { status, output, unreadMessages } = await run(work);
  assert.deepEqual([status, JSON.parse(output ?? ''), unreadMessages], ['completed', { history: ['hello'] }, 1]);
  assert.deepEqual(await steered(), ['msg_1']);
});

test('messages are taken once for a step, and not for an attempt that has ended', async (t) => {
  const { run, send, read } = await start(t);
  await send('hello');
  const left: Promise<unknown>[] = [];
  const ended = Promise.withResolvers<void>();
  const { status } = await run(async ({ inbox, step }) => {
    await assert.rejects(inbox('k'.repeat(513)), /512/);
    await inbox('one');
    await assert.rejects(inbox('one'), /taken twice/);
    left.push(ended.promise.then(() => assert.rejects(inbox('two'), /has ended/)));
    await step('one', { effect: 'none', run: async () => 1 });
    await step('three', { effect: 'none', run: async () => 3 });
    await assert.rejects(inbox('three'), /before it/);
    await send('for nobody');
    throw new TaskError('provider_refused', 'no');
  });
  ended.resolve();
  await Promise.all(left);
  assert.deepEqual([status, (await read()).unreadMessages], ['failed', 1]);
});

test('what was taken in a turn that no attempt finished is unread when the task ends, however it does', async (t) => {
  const lose = async () => {
    const at = await start(t);
    await at.run(
      talk({
        least: 2,
        async during(turn) {
          if (turn === 1) await at.send('hello');
          else throw busy();
        },
      }),
    );
    assert.equal((await at.read()).unreadMessages, 1);
    return at;
  };
  const cancelled = await lose();
  await cancelled.tasks.cancel(cancelled.id, 'anna', { nonce: 'n' });
  const limited = await lose();
  await limited.run(talk({ most: 1, least: 2 }));
  const again = await lose();
  await again.run(talk());
  const ends = await Promise.all([cancelled, limited, again].map(({ read }) => read()));
  assert.deepEqual(
    ends.map(({ status, unreadMessages }) => [status, unreadMessages]),
    [
      ['cancelled', 1],
      ['completed', 1],
      ['completed', 0],
    ],
  );
});
