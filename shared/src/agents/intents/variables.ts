/** What asking a model for an intent may cost. */
import { z } from 'zod';
import { MINUTE, milliseconds } from '../../variable.ts';

export const IntentVariables = z
  .object({
    CLASSIFY_MODEL_MS: milliseconds(0, 10 * MINUTE, 8_000).meta({
      description:
        'how long a model may take to say what a request wants where rules are not sure; then what the rules say stands. 0: none is asked',
    }),
  })
  .meta({ title: 'Intents' });
export type IntentVariables = z.output<typeof IntentVariables>;
