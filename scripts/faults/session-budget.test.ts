/** What fits the tokens of a session's context, and what is left of that which does not. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { countTokens } from '@beanline/shared/models/tokens.ts';
import { lines, type Sessions, startSessions } from '../testing/session-chats.ts';

const BUDGET = 4_000;

let system: Sessions;
before(async () => {
  system = await startSessions();
});
after(() => system.stop());

const turn = (text: string) => [`user: ${text}`, `assistant: re: ${text}`];
const CUT = '\n[… left out …]\n';

/** What the model was shown before this, behind the stand-in for what came before an answer, and what it all costs. */
async function shownBefore(text: string) {
  const all = system.shown(text).slice(0, -1);
  const isCut = all[1]?.role === 'assistant' && all[0]?.content === '[…]';
  const shown = isCut ? all.slice(1) : all;
  assert.equal(all[0]?.role, 'user');
  let cost = 0;
  for (const { content } of shown) cost += 4 + (await countTokens(String(content), Number.POSITIVE_INFINITY));
  return { shown: lines(shown), cost };
}

test('the newest messages go whole, the first that does not fit is cut, what is older is left out; the new ones always go', async () => {
  const session = await system.newSession();
  const long = 'bean '.repeat(1_500).trim();
  await system.ask(session, `a ${long}`);
  await system.ask(session, `b ${long} b`);
  await system.ask(session, 'short');
  const next = `c ${long} ${long} ${long}`;
  await system.ask(session, next);
  const { shown, cost } = await shownBefore(next);
  const [cut, ...whole] = shown;
  assert.deepEqual(whole, [...turn(`b ${long} b`), ...turn('short')]);
  assert.match(cut ?? '', /^assistant: re: a bean bean [^…]*\n\[… left out …\]\n[^…]* bean$/);
  assert.ok(cost <= BUDGET * 1.03 && cost > BUDGET * 0.9, `${cost}`);
});

for (const [name, long] of Object.entries({
  words: `BEGIN ${'word '.repeat(20_000)}END`,
  syllables: `BEGIN ${'가나다라마바사 '.repeat(8_000)}END`,
  emoji: `BEGIN ${'🫘👩‍👩‍👧'.repeat(8_000)}END`,
})) {
  test(`after one long message of ${name} its beginning and its end are shown, within the tokens`, async () => {
    const session = await system.newSession();
    await system.ask(session, long);
    await system.ask(session, `after ${name}`);
    const { shown, cost } = await shownBefore(`after ${name}`);
    assert.equal(shown.length, 1);
    const [start = '', end = ''] = (shown[0] ?? '').split(CUT);
    assert.match(start, /^assistant: re: BEGIN /);
    assert.match(end, /END$/);
    assert.ok(`re: ${long}`.startsWith(start.slice('assistant: '.length)));
    assert.ok(long.endsWith(end));
    assert.ok(start.isWellFormed() && end.isWellFormed());
    // Counted in other pieces than when it was cut.
    assert.ok(cost <= BUDGET * 1.03 && cost > BUDGET * 0.9, `${cost}`);
  });
}

test('pictures that do not fit are named, and the text beside them is shown', async () => {
  const session = await system.newSession();
  const images = Array.from({ length: 5 }, () => 'iVBORw0KGgo=');
  await system.ask(session, 'five of them', { images });
  await system.ask(session, 'what did I show?');
  const [first] = system.shown('what did I show?');
  assert.equal(first?.content, ['five of them', ...images.map(() => '[a picture, left out]')].join('\n'));
});
