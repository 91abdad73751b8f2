import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type InProcess, startInProcess } from '../../../../scripts/testing/in-process.ts';
import { assertProblem, badPaths, longPast } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient } from '../../../../scripts/testing/session-client.ts';

type Listed = { session_id: string; title: string; updated_at: string; created_at: string };

let system: InProcess;
let client: ReturnType<typeof sessionClient>;
/** Ids by title. */
const ids: Record<string, string> = {};
const listed: Record<string, Listed> = {};

/** Made in this order, changed in this order; tokens and messages cross it. */
const SAMPLES: { title: string; mode: string; says: [string, number][] }[] = [
  { title: 'Queues', mode: 'chat', says: [['A queue is a line.', 40]] },
  {
    title: '회의록',
    mode: 'rag',
    says: [
      ['대기열은 무엇입니까', 10],
      ['실행 플랫폼', 0],
      ['queue', 0],
    ],
  },
  {
    title: 'Beans',
    mode: 'chat',
    says: [
      ['Ein Großes QUEUE', 5],
      ['nothing', 5],
    ],
  },
  { title: 'Empty', mode: 'audio', says: [] },
  { title: '.*(', mode: 'chat', says: [['$where __proto__ {"$gt":""} 100% a_b', 1]] },
];

before(async () => {
  system = await startInProcess({ runners: 0, relays: 0 });
  client = sessionClient(system.url);
  assert.deepEqual((await client.get()).json, { sessions: [], total: 0, total_is_exact: true });
  for (const { title, mode, says } of SAMPLES) {
    const id = await client.create({ title, feature_mode: mode });
    ids[title] = id;
    for (const [content, tokens] of says)
      await client.say(id, content, { usage: { input_tokens: tokens, output_tokens: 0 } });
    const { messages, ...session } = (await client.get(`/${id}`)).json.session;
    listed[title] = session;
    await longPast(Date.parse(session.updated_at));
  }
});
after(() => system.stop());

const NEWEST = SAMPLES.map(({ title }) => title).toReversed();
const titlesOf = (answer: { json: { sessions: Listed[] } }) => answer.json.sessions.map(({ title }) => title);
async function titles(query: string): Promise<string[]> {
  const answer = await client.get(query);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.total, answer.json.sessions.length, query);
  assert.equal(answer.json.total_is_exact, true);
  return titlesOf(answer);
}
const at = (title: string) => encodeURIComponent(listed[title]?.updated_at ?? '');

test('the list is of the latest change first, each session as it reads alone but without its messages', async () => {
  const { json } = await client.get();
  assert.deepEqual(
    json.sessions,
    NEWEST.map((title) => listed[title]),
  );
  assert.deepEqual([json.total, json.search_type], [5, undefined]);
});

describe('filters and sorts hold, alone and together:', () => {
  for (const [query, expected] of [
    ['?feature_mode=chat', () => ['.*(', 'Beans', 'Queues']],
    ['?feature_mode=google', () => []],
    ['?sort_by=created_at', () => NEWEST],
    ['?sort_by=total_tokens', () => ['Queues', 'Beans', '회의록', '.*(', 'Empty']],
    ['?sort_by=message_count', () => ['회의록', 'Beans', '.*(', 'Queues', 'Empty']],
    ['?min_tokens=10', () => ['Beans', '회의록', 'Queues']],
    ['?max_tokens=10', () => ['.*(', 'Empty', 'Beans', '회의록']],
    ['?min_tokens=1&max_tokens=10', () => ['.*(', 'Beans', '회의록']],
    ['?min_messages=1&max_messages=2', () => ['.*(', 'Beans', 'Queues']],
    ['?max_messages=0', () => ['Empty']],
    ['?min_messages=4', () => []],
    ['?min_messages=1&feature_mode=chat&sort_by=total_tokens', () => ['Queues', 'Beans', '.*(']],
    ['?use_vector_search=true&feature_mode=rag', () => ['회의록']],
    ['?date_from=2020-01-01', () => NEWEST],
    ['?date_to=2020-01-01', () => []],
    ['?date_from=2020-01-01T00:00:00%2B09:00&date_to=2999-12-31', () => NEWEST],
  ] as const) {
    test(query, async () => assert.deepEqual(await titles(query), expected()));
  }

  test('bounds of time are inclusive, to the millisecond, and a day is a whole day', async () => {
    assert.deepEqual(await titles(`?date_from=${at('Beans')}&date_to=${at('Beans')}`), ['Beans']);
    assert.deepEqual(await titles(`?date_from=${at('Empty')}`), ['.*(', 'Empty']);
    assert.deepEqual(await titles(`?date_to=${at('회의록')}`), ['회의록', 'Queues']);
    const [first, last] = [listed.Queues?.updated_at.slice(0, 10), listed['.*(']?.updated_at.slice(0, 10)];
    assert.deepEqual(await titles(`?date_from=${first}&date_to=${last}`), NEWEST);
  });
});

test('pages of any size give every session once, each with the whole total', async () => {
  for (const limit of [1, 2, 3, 5, 200]) {
    for (const filter of ['', '&query=e', '&sort_by=total_tokens']) {
      const whole = await client.get(`?limit=200${filter}`);
      const found: string[] = [];
      for (let skip = 0; skip <= whole.json.total; skip += limit) {
        const page = await client.get(`?limit=${limit}&skip=${skip}${filter}`);
        assert.equal(page.json.total, whole.json.total);
        assert.ok(page.json.sessions.length <= limit);
        found.push(...titlesOf(page));
      }
      assert.deepEqual(found, titlesOf(whole), `${limit} ${filter}`);
    }
  }
  assert.deepEqual((await client.get('?skip=10000')).json.sessions, []);
});

describe('a search finds what was said and titles, in any script and case, and takes nothing for a pattern:', () => {
  for (const [query, expected] of [
    ['queue', ['Queues', 'Beans', '회의록']],
    ['QUEUE', ['Queues', 'Beans', '회의록']],
    ['  queue  ', ['Queues', 'Beans', '회의록']],
    ['queues', ['Queues']],
    ['대기열', ['회의록']],
    ['열은', ['회의록']],
    ['플랫', ['회의록']],
    ['폼', ['회의록']],
    ['회의', ['회의록']],
    ['큐', []],
    ['großes', ['Beans']],
    ['.*(', ['.*(']],
    ['.*', ['.*(']],
    ['$where', ['.*(']],
    ['__proto__', ['.*(']],
    ['{"$gt":""}', ['.*(']],
    ['100%', ['.*(']],
    ['a_b', ['.*(']],
    ['a%b', []],
    ['^', []],
    ['"', ['.*(']],
    ["' OR 1=1 --", []],
    ['\u0000', []],
  ] as const) {
    test(JSON.stringify(query), async () => {
      const answer = await client.get(`?query=${encodeURIComponent(query)}`);
      assert.deepEqual(titlesOf(answer), expected);
      assert.deepEqual([answer.json.search_type, answer.json.total], ['keyword', expected.length]);
      const vector = await client.get(`?use_vector_search=true&query=${encodeURIComponent(query)}`);
      assert.deepEqual(vector.json, answer.json, 'which is how a vector search is answered for now');
    });
  }
});

test('a search is ranked by title, then by matches, then by change; or sorted and filtered as any list', async () => {
  const beans = { id: await client.create({ title: 'rank' }), title: 'rank' };
  const twice = await client.create({ title: 'twice' });
  const once = await client.create({ title: 'once' });
  await client.say(once, 'ranked');
  await client.say(twice, 'ranked');
  await client.say(twice, 'ranked');
  const later = await client.create({ title: 'later' });
  await client.say(later, 'ranked', { usage: { input_tokens: 9, output_tokens: 0 } });
  assert.deepEqual(await titles('?query=rank'), [beans.title, 'twice', 'later', 'once']);
  assert.deepEqual(await titles('?query=rank&sort_by=relevance&limit=200'), [beans.title, 'twice', 'later', 'once']);
  assert.deepEqual(await titles('?query=rank&sort_by=created_at'), ['later', 'once', 'twice', 'rank']);
  assert.deepEqual(await titles('?query=rank&sort_by=total_tokens&min_tokens=1'), ['later']);
  assert.deepEqual(await titles('?query=rank&max_messages=1'), ['rank', 'later', 'once']);
  assert.deepEqual(await titles('?query=rank&feature_mode=rag'), []);
  for (const id of [beans.id, twice, once, later]) await client.call('DELETE', `${SESSIONS}/${id}`);
});

describe('what is no filter is refused by name:', () => {
  for (const [query, paths] of [
    ['?limit=0', ['limit']],
    ['?limit=201', ['limit']],
    ['?limit=ten&skip=-1', ['limit', 'skip']],
    ['?skip=10001', ['skip']],
    ['?feature_mode=x', ['feature_mode']],
    ['?feature_mode=', ['feature_mode']],
    ['?date_from=yesterday&date_to=2026-13-01', ['date_from', 'date_to']],
    ['?date_from=2026-01-01T00:00:00', ['date_from']],
    ['?min_tokens=-1&max_tokens=1.5', ['min_tokens', 'max_tokens']],
    ['?min_messages=x&max_messages=1e3', ['min_messages', 'max_messages']],
    ['?sort_by=title', ['sort_by']],
    ['?sort_by=%7B%22$gt%22:%22%22%7D', ['sort_by']],
    ['?sort_by=relevance', ['sort_by']],
    ['?query=', ['query']],
    ['?query=%20%20', ['query']],
    [`?query=${'x'.repeat(201)}`, ['query']],
    ['?use_vector_search=maybe', ['use_vector_search']],
    ['?min_tokens=2&max_tokens=1', ['min_tokens', 'max_tokens']],
    [
      '?min_messages=2&max_messages=1&date_from=2026-02-01&date_to=2026-01-31',
      ['date_from', 'date_to', 'min_messages', 'max_messages'],
    ],
  ] as const) {
    test(query, async () => {
      const answer = await client.get(query);
      assertProblem(answer, 400, 'invalid_request');
      assert.deepEqual(badPaths(answer), paths);
    });
  }
  for (const query of [
    '?limit=0',
    '?limit=201',
    '?before=',
    '?before=x',
    '?before=.*(',
    '?before=%00',
    '?before=msg_1',
  ]) {
    test(`/messages${query}`, async () => {
      const answer = await client.get(`/${ids.Queues}/messages${query}`);
      assertProblem(answer, 400, 'invalid_request');
      assert.deepEqual(badPaths(answer), [query.slice(1, query.indexOf('='))]);
    });
  }
});
