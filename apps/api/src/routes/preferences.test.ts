import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { bearer } from '../../../../scripts/testing/owners.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';
import { sessionClient } from '../../../../scripts/testing/session-client.ts';

const PATH = '/api/chat/preferences';
const KEYS = { anna: 'anna-key-0123456789', ben: 'ben-key-0123456789' };

let system: InProcess;
let anna: ReturnType<typeof sessionClient>;
let annaElsewhere: ReturnType<typeof sessionClient>;
let ben: ReturnType<typeof sessionClient>;
before(async () => {
  const env = { API_KEYS: `anna:${KEYS.anna},ben:${KEYS.ben}` };
  system = await startInProcess({ apis: 2, runners: 0, relays: 0, env });
  anna = sessionClient(system.url, bearer(KEYS.anna));
  annaElsewhere = sessionClient(system.apis[1]?.url ?? '', bearer(KEYS.anna));
  ben = sessionClient(system.url, bearer(KEYS.ben));
});
after(() => system.stop());

const hit = (answer: { headers: Headers }) => answer.headers.get('x-cache');

test('preferences are the owner’s, are cached, and are read anew at once through every API when they change', async () => {
  const none = await anna.call('GET', PATH);
  assert.deepEqual([none.status, none.json, hit(none)], [200, {}, 'miss']);
  assert.equal(hit(await annaElsewhere.call('GET', PATH)), 'hit');
  const first = { instructions: '한 문장으로 답하라.', language: 'ko-KR', model: 'builtin/extract' };
  const put = await anna.call('PUT', PATH, first);
  assert.deepEqual([put.status, put.json], [200, first]);
  for (const wanted of ['miss', 'hit']) {
    const read = await annaElsewhere.call('GET', PATH);
    assert.deepEqual([read.json, hit(read)], [first, wanted]);
  }
  assert.deepEqual((await annaElsewhere.call('PUT', PATH, { language: 'en' })).json, { language: 'en' });
  assert.deepEqual((await anna.call('GET', PATH)).json, { language: 'en' }, 'all of them are replaced');
  assert.deepEqual((await ben.call('GET', PATH)).json, {});
  for (const _ of [1, 2]) {
    const gone = await anna.call('DELETE', PATH);
    assert.deepEqual([gone.status, gone.text], [204, '']);
  }
  assert.deepEqual((await annaElsewhere.call('GET', PATH)).json, {});
});

test('a bad preference is refused, every bad field named, and nothing is changed', async () => {
  await anna.call('PUT', PATH, { language: 'de' });
  for (const [body, paths] of [
    [{ instructions: '', language: '', model: '' }, ['instructions', 'language', 'model']],
    [
      { instructions: 'x'.repeat(4_001), language: 'not a tag', model: 'x'.repeat(201) },
      ['instructions', 'language', 'model'],
    ],
    [{ instructions: { $gt: '' }, language: ['en'], model: null }, ['instructions', 'language', 'model']],
    [{ language: `en${'-abcdefgh'.repeat(4)}` }, ['language']],
    ['{"__proto__":{"language":"en"},"$set":{}}', ['__proto__', '$set']],
    ['[]', ['']],
  ] as const) {
    const answer = await anna.call('PUT', PATH, body);
    assertProblem(answer, 400, 'invalid_request');
    assert.deepEqual(badPaths(answer), paths);
  }
  assert.deepEqual((await anna.call('GET', PATH)).json, { language: 'de' });
  const whole = { instructions: '가'.repeat(4_000) };
  assert.deepEqual((await anna.call('PUT', PATH, whole)).json, whole);
});

test('what is allowed here is told', async () => {
  const answer = await anna.call('POST', PATH, {});
  assertProblem(answer, 405, 'method_not_allowed');
  assert.equal(answer.headers.get('allow'), 'GET, PUT, DELETE');
  assert.equal((await anna.call('HEAD', PATH)).status, 200);
});
