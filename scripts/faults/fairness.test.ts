/** One owner floods a queue; the tasks of another start next all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fairness } from '../bench/fairness.ts';

const SLOTS = 50;

test('behind 2,000 tasks of one owner another starts within one round of the slots, and not after the flood', async (t) => {
  const { idleMs, floodedMs, passedBy, waiting } = await fairness({ flood: 2_000, quiet: 7 });
  const ratio = (floodedMs / idleMs).toFixed(2);
  t.diagnostic(
    `first token: idle ${Math.round(idleMs)} ms, behind the flood ${Math.round(floodedMs)} ms, ratio ${ratio}`,
  );
  t.diagnostic(`flood tasks that went before: ${passedBy}; still waiting behind: ${waiting}`);
  // The order is what is promised: a time also tells of the machine.
  for (const count of passedBy) assert.ok(count <= SLOTS, `${count} went before`);
  const [first = 0] = waiting;
  assert.ok(first > 500, `only ${first} were waiting`);
});
