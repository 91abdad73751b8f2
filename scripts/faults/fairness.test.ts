/** One owner floods a queue; the tasks of another start next all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fairness } from '../bench/fairness.ts';

const FLOOD = 2_000;
/** First come, first served, nearly all of the flood would go before. */
const MOST = FLOOD / 20;

test('behind 2,000 tasks of one owner another starts next, and not after the flood', async (t) => {
  const { idleMs, floodedMs, passedBy, waiting } = await fairness({ flood: FLOOD, quiet: 7 });
  const ratio = (floodedMs / idleMs).toFixed(2);
  t.diagnostic(
    `first token: idle ${Math.round(idleMs)} ms, behind the flood ${Math.round(floodedMs)} ms, ratio ${ratio}`,
  );
  t.diagnostic(`flood tasks that went before: ${passedBy}; still waiting behind: ${waiting}`);
  // The order is what is promised: a time also tells of the machine.
  for (const count of passedBy) assert.ok(count <= MOST, `${count} went before`);
  const [first = 0] = waiting;
  assert.ok(first > FLOOD / 2, `only ${first} were waiting`);
});
