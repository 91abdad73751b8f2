/** What of a session a model is shown, what is made by itself, and what is cached. */
import { z } from 'zod';
import { count, DAY, MINUTE, milliseconds } from '../variable.ts';

export const SessionVariables = z
  .object({
    CONTEXT_MESSAGES: count(1, 1_000, 10).meta({ description: 'messages of a session that the model is shown' }),
    CONTEXT_TOKENS: count(100, 10_000_000, 4_000).meta({ description: 'tokens that they and the summary may have' }),
    CONTEXT_TTL_MS: milliseconds(1_000, 30 * DAY, 30 * MINUTE).meta({
      description: 'how long they wait in Redis for the next message',
    }),
    PREFERENCES_TTL_MS: milliseconds(1_000, 30 * DAY, 60 * MINUTE).meta({
      description: 'how long preferences are cached',
    }),
    SUMMARY_AFTER_MESSAGES: count(1, 10_000, 15).meta({
      description: 'messages after which a session is summarised, whenever 5 of them are neither shown nor summarised',
    }),
    AUTO_TITLES: z.enum(['on', 'off']).default('on').meta({
      description: '`off`: sessions get no title and no summary by themselves',
    }),
    SESSION_CACHE_MS: milliseconds(0, DAY, MINUTE).meta({ description: 'how long a session is cached; 0: not' }),
    SESSION_LIST_CACHE_MS: milliseconds(0, DAY, 5 * MINUTE).meta({
      description: 'how long a list of sessions is cached; 0: not',
    }),
  })
  .meta({ title: 'Sessions' });
export type SessionVariables = z.output<typeof SessionVariables>;

/** What of a session a model is shown, and when it is named and summarised. */
export const sessionLimits = (config: SessionVariables) => ({
  contextMessages: config.CONTEXT_MESSAGES,
  contextTokens: config.CONTEXT_TOKENS,
  summaryAfterMessages: config.SUMMARY_AFTER_MESSAGES,
  autoTitles: config.AUTO_TITLES === 'on',
});
export type SessionLimits = ReturnType<typeof sessionLimits>;

/** How long each kind of what is read is cached. */
export const cacheTimes = (config: SessionVariables) => ({
  sessionMs: config.SESSION_CACHE_MS,
  listMs: config.SESSION_LIST_CACHE_MS,
  windowMs: config.CONTEXT_TTL_MS,
  preferencesMs: config.PREFERENCES_TTL_MS,
});
