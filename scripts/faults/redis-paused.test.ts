/** A failover holds writes back while reads are answered: refusals are as quick as when Redis is away. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chat, followToEnd, post, submit } from '../testing/client.ts';
import { type InProcess, startInProcess } from '../testing/in-process.ts';
import { watchMachine } from '../testing/machine.ts';
import { ask, assertProblem, eventually } from '../testing/raw.ts';
import { PROMPT } from '../testing/system.ts';
import { type TestRedis, testRedis } from '../testing/test-redis.ts';

const TIMEOUT_MS = Number(PROMPT.REDIS_TIMEOUT_MS ?? 300);
/** One more look of the probe. */
const LOOK_MS = 25;

let redis: TestRedis;
let system: InProcess;
before(async () => {
  redis = await testRedis();
  system = await startInProcess({ redis, env: PROMPT });
});
after(async () => {
  await system.stop();
  await redis.stop();
});

test('while a failover holds writes back, a submit is 503 within REDIS_TIMEOUT_MS though reads go on, and leaves no ghost', async (t) => {
  const { url } = system;
  const first = await submit(url);
  await followToEnd(url, first);
  const machine = watchMachine(t, url);
  // Their answers are bytes of the same server.
  let reading = true;
  const reads = Array.from({ length: 4 }, async () => {
    while (reading) await ask(`${url}/tasks/${first}`);
  });
  await redis.cli('CLIENT', 'PAUSE', '5000', 'WRITE');
  const startedAt = performance.now();
  const refused = await post(url, '/api/chat', chat('never'));
  const tookMs = performance.now() - startedAt;
  const machineMs = machine.lateMs();
  assertProblem(refused, 503, 'unavailable');
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
  assert.ok(tookMs <= TIMEOUT_MS + LOOK_MS + machineMs, `${tookMs} ms, of which ${machineMs} ms are the machine's`);
  const ready = await ask(`${url}/readyz`);
  assert.deepEqual([ready.status, ready.json.status], [503, 'unavailable']);
  for (let i = 0; i < 5; i++) assertProblem(await post(url, '/api/chat', chat('never')), 503, 'unavailable');
  reading = false;
  await Promise.all(reads);

  await redis.cli('CLIENT', 'UNPAUSE');
  await eventually(
    () => ask(`${url}/readyz`),
    ({ status }) => status === 200,
  );
  const id = await submit(url, chat('after it'));
  assert.equal((await followToEnd(url, id)).at(-1)?.data.status, 'completed');
  const { tasks } = (await ask(`${url}/tasks?limit=200`)).json;
  assert.equal(tasks.length, 2, 'what was refused did not come to life');
});
