/** What all programs are told alike. */
import { z } from 'zod';
import { MINUTE, milliseconds } from './variable.ts';

export const ProgramVariables = z
  .object({
    LOG_LEVEL: z
      .enum(['debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .meta({ description: '`debug`, `info`, `warn`, `error` or `silent`; JSON lines on standard error' }),
    DRAIN_MS: milliseconds(0, 10 * MINUTE, 8_000).meta({
      description: 'how long a stopping program lets tasks and streams end',
    }),
    HEALTH_FILE: z.string().default('').meta({
      description: 'a runner or relay writes this file each second while Redis answers, for health checks',
    }),
  })
  .meta({ title: 'Every program' });
export type ProgramVariables = z.output<typeof ProgramVariables>;
