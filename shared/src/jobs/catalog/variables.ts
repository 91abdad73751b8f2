/** Where job types of one's own are. */
import { z } from 'zod';

export const JobVariables = z
  .object({
    JOBS_DIR: z.string().optional().meta({
      description: 'a folder of [job types of your own](job-types.md), one `.ts` or `.js` file each',
    }),
  })
  .meta({ title: 'Job types' });
export type JobVariables = z.output<typeof JobVariables>;
