/** The time to the first token of a quiet owner, on an idle system and behind the flood of another. */
import type { BenchPart } from '../bench.ts';
import { fairness as compare } from '../fairness.ts';

export const fairness: BenchPart = {
  name: 'fairness',
  async measure() {
    const { idleMs, floodedMs } = await compare();
    return [
      {
        title: 'A flood of one owner and the first token of another',
        about:
          'One runner of 20 slots, 2,000 tasks of one owner, 7 of the other; a model call takes 300 to 500 ms, its first token 200.',
        rows: [
          { name: 'idle', unit: 'ms', values: [idleMs] },
          { name: 'behind the flood', unit: 'ms', values: [floodedMs] },
          { name: 'behind the flood ÷ idle', unit: '', values: [floodedMs / idleMs], goal: { atMost: 2 } },
        ],
      },
    ];
  },
};
