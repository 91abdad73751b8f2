/**
 * A runner dies after every single write of a task that is spoken to meanwhile: each message that was accepted is heard once, in
 * the order that readers are told, and none that was refused.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { getTask, post, submit } from '../testing/client.ts';
import { type Program, SHORT_LOCK } from '../testing/system.ts';
import { checkClean, type Faults, follow, followWhole, startFaults } from './checks.ts';
import { startDying } from './start-dying.ts';

let system: Faults;
before(async () => {
  system = await startFaults({ runners: 0, env: { ...SHORT_LOCK, MAX_TASK_MESSAGES: '10000' } });
});
after(() => system.stop());

/** After the last word each sender sends so many more: who never stops is never left by a handler that hears everybody. */
const AFTER_END = 5;

/** Several senders at once, each one message after the other. What was accepted, by what it says, with its id. */
function senders(id: string, url = system.url) {
  const accepted = new Map<string, string>();
  const refused: string[] = [];
  let count = 0;
  const mixed = () => (++count % 3 === 0 ? 'follow_up' : 'steer');
  async function send(content: string, mode: string = mixed()): Promise<number> {
    const { status, json, text } = await post(url, `/tasks/${id}/messages`, { content, mode });
    assert.ok(status === 202 || status === 409, text);
    if (status === 202) accepted.set(content, json.message_id);
    else refused.push(content);
    return status;
  }
  return {
    accepted,
    refused,
    send,
    async talk(name: string, goesOn: () => boolean) {
      const one = async (sender: string) => {
        for (let n = 1; goesOn() && (await send(`${name}.${sender}.${n}`)) === 202; n++);
      };
      await Promise.all(['a', 'b', 'c', 'd'].map(one));
    },
    /** The last word, and what follows it. */
    async end(name: string) {
      // For the next turn: what follows up waits for it.
      await send('end', 'steer');
      let left = 4 * AFTER_END;
      await this.talk(`${name} after the end`, () => left-- > 0);
    },
  };
}

/** The task has heard what was accepted, once, each turn knew of all before it, and readers were told the same. */
async function checkHeard(id: string, { accepted, refused }: ReturnType<typeof senders>) {
  const events = await followWhole(system.url, id);
  const { status, output, unread_messages } = (await getTask(system.url, id)).json;
  assert.deepEqual([status, unread_messages], ['completed', undefined]);
  const heard: string[] = [];
  for (const turn of output.turns as { heard: string[]; knew: number }[]) {
    heard.push(...turn.heard);
    assert.equal(turn.knew, heard.length);
  }
  assert.deepEqual(heard.toSorted(), [...accepted.keys()].sort());
  assert.ok(refused.every((content) => !heard.includes(content)));
  const isVoid = new Set(events.filter(({ type }) => type === 'retrying').map(({ attempt }) => attempt));
  const standing = events.filter(({ attempt }) => !isVoid.has(attempt));
  const told = standing.filter(({ type }) => type === 'steered').map(({ data }) => data.message_id);
  assert.deepEqual(
    told,
    heard.map((content) => accepted.get(content)),
  );
  const text = standing.filter(({ type }) => type === 'text').map(({ data }) => data.content);
  assert.equal(text.join(''), heard.map((content) => `${content} `).join(''));
}

/** The runners take over from each other; the last one ends what is left. */
async function withRunner(work: (runner: Program) => Promise<void>) {
  const runner = await system.startRunner();
  try {
    await work(runner);
    await checkClean(system);
  } finally {
    await runner.signal('SIGKILL');
  }
}

/** While a task hears more and more, and those that come at its end. */
const DURING = [
  'tasks.begin',
  ...[1, 2, 3].flatMap((nth) => [`tasks.takeMessages#${nth}`, `tasks.finishStep#${nth}`, `tasks.append#${nth}`]),
];
const AT_THE_END = ['tasks.closeInbox#1', 'tasks.closeInbox#2', 'tasks.finish'];

for (const write of [...DURING, ...AT_THE_END]) {
  test(`a runner that dies right after ${write} loses no message, and none is heard twice`, async () => {
    const dying = await startDying(system, 'runner', write);
    let dead = false;
    const died = dying.died.then(() => {
      dead = true;
    });
    const id = await submit(system.url, { type: 'test.turns', input: {} }, '/tasks');
    const sent = senders(id);
    if (AT_THE_END.includes(write)) {
      // So that the inbox is not closed at once.
      await sent.send('follow me up', 'follow_up');
      await sent.end('first');
    } else await sent.talk('first', () => !dead);
    await died;
    await withRunner(async () => {
      if (!AT_THE_END.includes(write)) {
        let left = 40;
        await sent.talk('second', () => left-- > 0);
        await sent.end('second');
      }
      await checkHeard(id, sent);
    });
  });
}

test('a runner that dies when it has found what another had taken leaves the same to a third', async () => {
  const first = await startDying(system, 'runner', 'tasks.takeMessages#2');
  let dead = false;
  const gone = first.died.then(() => {
    dead = true;
  });
  const id = await submit(system.url, { type: 'test.turns', input: {} }, '/tasks');
  const sent = senders(id);
  await sent.talk('first', () => !dead);
  await gone;
  const second = await startDying(system, 'runner', 'tasks.takenMessages');
  await second.died;
  await withRunner(async () => {
    await sent.end('third');
    await checkHeard(id, sent);
  });
});

test('a runner that wakes up after another has taken over takes no message', async () => {
  const frozen = await startDying(system, 'runner', 'tasks.takeMessages#2', 'SIGSTOP');
  try {
    const id = await submit(system.url, { type: 'test.turns', input: {} }, '/tasks');
    const sent = senders(id);
    await sent.send('one', 'steer');
    await follow(system.url, id, { see: ({ type }) => type === 'steered' });
    await sent.send('two', 'steer');
    await withRunner(async () => {
      await follow(system.url, id, { see: ({ type, attempt }) => type === 'started' && attempt === 2 });
      frozen.child.kill('SIGCONT');
      await sent.end('awake');
      await checkHeard(id, sent);
    });
  } finally {
    frozen.child.kill('SIGKILL');
  }
});

test('a message whose API died before it could say so is the same message when it is sent again with its key', async () => {
  const dying = await startDying(system, 'api', 'tasks.message');
  const id = await submit(system.url, { type: 'test.turns', input: {} }, '/tasks');
  const key = { 'Idempotency-Key': 'mine' };
  const body = { content: 'end' };
  await assert.rejects(post(dying.url, `/tasks/${id}/messages`, body, key));
  await dying.died;
  const again = await post(system.url, `/tasks/${id}/messages`, body, key);
  assert.deepEqual([again.status, again.headers.get('idempotency-replayed')], [202, 'true']);
  await withRunner(async () => {
    const sent = senders(id);
    sent.accepted.set('end', again.json.message_id);
    await checkHeard(id, sent);
  });
});
