/** What the job types that do something for a session take. */
import { z } from 'zod';
import { SessionId } from '../../session.ts';

export const sessionInput = (description: string) =>
  z
    .strictObject({
      session_id: SessionId.meta({ description: 'A session of yours' }),
      model: z.string().min(1).max(200).optional().meta({
        description:
          'The model that is asked, as `provider/model` or a name of the default provider; without it the default model',
      }),
    })
    .meta({ description, examples: [{ session_id: 'sess_1m80dvxcg008y5d70b2qj0mbs' }] });
