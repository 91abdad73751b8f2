/** How many tasks may wait for one another. */
import { z } from 'zod';
import { count } from '../variable.ts';

export const LineVariables = z
  .object({
    MAX_LINE_TASKS: count(1, 10_000, 100).meta({
      description: 'tasks of one session that may wait for their turn (`on_busy`); one more → 429',
    }),
  })
  .meta({ title: 'Turns of a session' });
export type LineVariables = z.output<typeof LineVariables>;
