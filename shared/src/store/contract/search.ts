/** The contract of search: whatever contains the query is found, in any script, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Message, makeMessageId, makeSessionId } from '../../session.ts';
import { contains } from '../search-text.ts';
import {
  byIdDown,
  hostile,
  type Pair,
  pick,
  randomOf,
  someMessage,
  someOwner,
  someSession,
  T0,
  talk,
} from './samples.ts';

const SENTENCES = [
  '오늘 회의록을 정리해 주세요. 내일까지 필요합니다.',
  'Die Straße nach KÖLN ist lang.',
  '日本語の全文検索も必要です',
  'The quick brown fox jumps over the lazy dog',
  'שלום עולם, מה שלומך?',
  'call f(x) = a.*b($where) {"$gt": ""} 100%_done \\ "quoted"',
  '👩‍👩‍👧 and 👍🏽 are letters of their own',
  'Ünïcödé cafe\u0301 déjà-vu',
  'ab',
  'a',
  'ㄱㄴㄷ 가나다',
  '',
];

const QUERIES = [
  ...['회', '의록', '회의록', '의록을', '리해 주세', '합니다.', '가', '나다', 'ㄴ', '오늘회의'],
  ...['straße', 'köln', 'KÖLN', 'K\u006f\u0308ln', 'strasse', 'café', 'CAFE\u0301', 'cafe'],
  ...['の', '全文', '文検索', 'fox jumps', 'x', 'OX', 'uic', 'g', 'dog', 'dog ', 'cat'],
  ...['עולם', 'לום', '.*', '.*b(', '$where', '{"$gt"', '%', '%_', '\\', '"', '""', '*', 'f(x)', 'NEAR', ' OR '],
  ...['👩', '👩‍👩', '👍', '🏽 are', '\ud83d', '\u0000', 'a\u0000', 'b\u0000\u0000', 'ab', 'a', ' '],
];

/** A text, and how another one may ask for it. */
const FOLDED: [text: string, query: string, why: string][] = [
  ['Η ΠΡΟΣΟΧΗ', 'ΠΡΟΣ', 'a sigma that ends the query and not the word'],
  ['ο προς', 'ΠΡΟΣ ', 'a sigma that ends the word and not the query'],
  ['STRASSE', 'straße', 'a query that gets longer'],
  ['Straße', 'STRASSE', 'a text that gets longer'],
  ['STRAẞE', 'strasse', 'the capital sharp s'],
  ['İSTANBUL', 'istanbul', 'a capital with its dot'],
  ['istanbul', 'İSTANBUL', 'the same the other way round'],
  ['I\u0307ZMİR', 'izmir', 'the dot as a letter of its own'],
  ['DIYARBAKIR', 'diyarbakır', 'a letter without its dot'],
  ['ışık', 'IŞIK', 'the same the other way round'],
  ['\u1112\u116c\u110b\u1174', '회의', 'Korean letters that are joined by the query'],
  ['회의록', '\u1112\u116c\u110b\u1174', 'Korean letters that are taken apart by the query'],
  ['ㅋㅋㅠㅠ', 'ㅋㅋ', 'Korean letters that stand alone'],
  ['ㅋㅋㅠㅠ', 'ㅠ', 'Korean letters that stand alone, at the end'],
  ['ｈｅｌｌｏ　ＷＯＲＬＤ', 'Hello world', 'full width'],
  ['half width', 'ＨＡＬＦ', 'full width in the query'],
  ['ｶﾞｷﾞ', 'ガギ', 'half width, with the mark as a letter of its own'],
  ['the oﬃce', 'OFFICE', 'ligatures'],
  ['Office', 'oﬃ', 'ligatures in the query'],
  ['ᎣᏏᏲ', '\uab73\uab9f\u13fa', 'Cherokee, whose small letters came later'],
  ['ſeſſion', 'SESSION', 'the long s'],
  ['Ångström', 'A\u030angstro\u0308m', 'accents as letters of their own in the query'],
  ['E\u0301COLE', 'école', 'accents as letters of their own in the text'],
  ['ᾳδης', 'ΑΙΔΗΣ', 'a letter that folds to two'],
  ['𐐀𐐁', '𐐨𐐩', 'letters beyond 16 bits'],
];

export function searchContract(stores: () => Pair) {
  test('a text is found however its letters are cased, composed or formed, in messages and in titles', async () => {
    const { one, two } = stores();
    for (const [text, query, why] of FOLDED) {
      const owner = someOwner();
      const title = { title: `(${text})`, titleBy: 'client' } as const;
      const { sessionId, messages } = await talk(one, owner, ['before', `${text} and more`], title);
      const expected = [{ sessionId, id: messages[1]?.id }];
      assert.deepEqual(await two.messages.matching(owner, query, 10), expected, why);
      assert.deepEqual(await two.sessions.titled(owner, query.trim(), 10), [sessionId], why);
    }
  });

  test('letters that differ by more than their case stay apart', async () => {
    const { one } = stores();
    const owner = someOwner();
    await talk(one, owner, ['cafe', 'ΠΡΟΣΟΧΗ', 'strase', '가각', 'ㅋㅠ']);
    for (const query of ['café', 'προσοχή', 'straße', '가가', '큐']) {
      assert.deepEqual(await one.messages.matching(owner, query, 10), [], query);
    }
  });

  test('messages that contain the query are found, and no others, in any script and of any length', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const random = randomOf(13);
    const stored: { sessionId: string; message: Message }[] = [];
    for (let i = 0; i < 8; i++) {
      const texts = Array.from(
        { length: 10 },
        () => `${pick(random, SENTENCES)}${pick(random, ['', ' ', pick(random, SENTENCES)])}`,
      );
      const { sessionId, messages } = await talk(i % 2 ? one : two, owner, texts);
      for (const message of messages) stored.push({ sessionId, message });
    }
    for (const query of QUERIES) {
      const expected = stored
        .filter(({ message }) => contains(message.text.toWellFormed(), query.toWellFormed()))
        .map(({ sessionId, message }) => ({ sessionId, id: message.id }));
      const found = await one.messages.matching(owner, query, 1_000);
      assert.deepEqual(found.toSorted(byIdDown), expected.toSorted(byIdDown), JSON.stringify(query));
      const some = await two.messages.matching(owner, query, 3);
      assert.equal(some.length, Math.min(3, expected.length), JSON.stringify(query));
    }
  });

  test('an empty query finds nothing', async () => {
    const { one } = stores();
    const owner = someOwner();
    await talk(one, owner, ['something'], { title: 'Something', titleBy: 'client' });
    assert.deepEqual(await one.messages.matching(owner, '', 10), []);
    assert.deepEqual(await one.sessions.titled(owner, '', 10), []);
  });

  test('the newest messages, by the time in their ids, are found first, whenever they were written', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const random = randomOf(17);
    const messages = Array.from({ length: 100 }, (_, i) =>
      someMessage(`the bean number ${i}`, { createdAt: T0 + i * 1_000 }),
    );
    for (const message of messages.toSorted(() => random() - 0.5)) {
      const turn = { id: message.id, messages: [message], tokens: 1, now: T0 };
      await pick(random, [one, two]).messages.append(owner, session.id, turn);
    }
    const newest = messages.toReversed().map(({ id }) => ({ sessionId: session.id, id }));
    for (const query of ['b', 'be', 'bean number']) {
      assert.deepEqual(await one.messages.matching(owner, query, 10), newest.slice(0, 10));
      assert.deepEqual(await two.messages.matching(owner, query, 1_000), newest);
    }
  });

  test('titles that contain the query are found, the newest session first', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const titles = ['회의록 정리', 'Beans and PEAS', 'the pea', 'a.*b(', 'x', 'p', '완두콩 peas'];
    const sessions = titles.map((title, i) =>
      someSession(owner, { id: makeSessionId(T0 + i * 1_000), title, titleBy: 'client' as const }),
    );
    for (const session of sessions.toReversed()) await one.sessions.create(session);
    await two.sessions.create(someSession(owner, { title: null }));
    for (const query of ['회', '의록', '회의록 ', 'pea', 'PEA', 'p', 'ea', '.*', 'x', 'b(', 'nothing', '%', '$', ' ']) {
      const expected = sessions.filter(({ title }) => contains(title ?? '', query)).map(({ id }) => id);
      assert.deepEqual(await two.sessions.titled(owner, query, 100), expected.reverse(), query);
      assert.deepEqual(await one.sessions.titled(owner, query, 2), expected.slice(0, 2), query);
    }
  });

  test('a word in the middle of two hundred thousand letters is found, and one beyond them is not', async () => {
    const { one } = stores();
    const owner = someOwner();
    const filler = '가나다라 lorem ipsum '.repeat(5_000);
    const long = `${filler}needle회의${filler}`.padEnd(200_000, 'z');
    const { messages } = await talk(one, owner, [`${long}beyond`, 'short']);
    const ids = async (query: string) => (await one.messages.matching(owner, query, 10)).map(({ id }) => id);
    assert.deepEqual(await ids('NEEDLE회'), [messages[0]?.id]);
    assert.deepEqual(await ids('e회의가'), [messages[0]?.id]);
    assert.deepEqual(await ids('beyond'), []);
    const page = await one.messages.page(owner, (await one.messages.matching(owner, 'short', 1))[0]?.sessionId ?? '', {
      limit: 5,
      before: null,
    });
    assert.deepEqual(page, messages);
  });

  test('every part of a long text is found once, wherever it stands, however few letters come twice', async () => {
    const { one, two } = stores();
    const owner = someOwner();
    const random = randomOf(29);
    const noise = Array.from({ length: 14_000 }, () => String.fromCharCode(0x21 + Math.floor(random() * 90))).join('');
    const { sessionId, messages } = await talk(one, owner, [noise, 'short', `${noise.slice(0, 5_000)} again`]);
    const found = async (query: string) => (await two.messages.matching(owner, query, 10)).map(({ id }) => id);
    for (let from = 5_000; from + 200 <= noise.length; from += 150) {
      assert.deepEqual(await found(noise.slice(from, from + 200)), [messages[0]?.id], `letter ${from}`);
    }
    assert.deepEqual(await found(noise.slice(6_000, 12_000)), [messages[0]?.id]);
    assert.deepEqual((await found(noise.slice(0, 2_000))).sort(), [messages[0]?.id, messages[2]?.id].sort());
    assert.deepEqual(await found(noise.slice(-3)), [messages[0]?.id]);
    await one.sessions.delete(owner, sessionId);
    assert.deepEqual(await found(noise.slice(0, 20)), []);
  });

  test('a message that has all parts of a query but not the query is not found', async () => {
    const { one } = stores();
    const owner = someOwner();
    const decoys = Array.from({ length: 300 }, (_, i) => `abcd bcde cdef ${i}`);
    await talk(one, owner, ['abcdef']);
    await talk(one, owner, decoys);
    assert.equal((await one.messages.matching(owner, 'abcdef', 10)).length, 1);
    assert.equal((await one.messages.matching(owner, 'abcd bcd', 1_000)).length, 300);
  });

  test('hostile queries find what contains them, and nothing of anybody else', async () => {
    const { one } = stores();
    const owner = someOwner();
    const strangers = someOwner();
    for (const text of hostile) {
      await talk(one, owner, [`before ${text} after`], { title: `t ${text}`.slice(0, 500), titleBy: 'client' });
    }
    for (const text of hostile) {
      if (text === '') continue;
      const query = text.slice(0, 1_000);
      assert.ok((await one.messages.matching(owner, query, 1_000)).length >= 1, JSON.stringify(query));
      assert.deepEqual(await one.messages.matching(strangers, query, 10), []);
      assert.deepEqual(await one.sessions.titled(strangers, query, 10), []);
      if (text.length < 400) assert.ok((await one.sessions.titled(owner, query, 1_000)).length >= 1);
    }
    assert.deepEqual(await one.messages.matching(owner, 'before x'.padEnd(50_000, 'y'), 10), []);
  });

  test('messages of one millisecond are all found', async () => {
    const { one } = stores();
    const owner = someOwner();
    const session = someSession(owner);
    await one.sessions.create(session);
    const messages = Array.from({ length: 400 }, () => someMessage('same time', { id: makeMessageId(T0) }));
    for (let i = 0; i < messages.length; i += 100) {
      const turn = { id: `turn ${i}`, messages: messages.slice(i, i + 100), tokens: 1, now: T0 };
      await one.messages.append(owner, session.id, turn);
    }
    const found = await one.messages.matching(owner, 'same time', 1_000);
    assert.deepEqual(new Set(found.map(({ id }) => id)), new Set(messages.map(({ id }) => id)));
  });
}
