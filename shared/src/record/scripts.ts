/** The scripts of the record, which decide every transition of a task. */
import type { RedisConnection } from '../redis/connect.ts';
import { createScripts, readScripts } from '../redis/scripts.ts';
import type { AttemptUsage } from './task-verdicts.ts';

const DIRECTORY = new URL('scripts/', import.meta.url);
const ON_A_TASK = [
  'begin',
  'append',
  'release',
  'finish',
  'cancel',
  'answer',
  'adjust',
  'wake',
  'step',
  'message',
  'inbox',
] as const;

export const createRecordScripts = (redis: RedisConnection, patienceMs: number) =>
  createScripts(
    redis,
    { ...readScripts(DIRECTORY, ['create', 'fields'] as const), ...readScripts(DIRECTORY, ON_A_TASK, 'prelude') },
    patienceMs,
  );

/** Runs one of them. */
export type Run = ReturnType<typeof createRecordScripts>;

/** Tokens as the scripts take them: input, output, and `estimated|cached|reasoning`, where what is not told is empty. */
export function usageArgs(usage: AttemptUsage): (string | number)[] {
  if (!usage) return ['', '', '0||'];
  const { inputTokens, outputTokens, estimated, cachedTokens = '', reasoningTokens = '' } = usage;
  return [inputTokens, outputTokens, `${estimated ? 1 : 0}|${cachedTokens}|${reasoningTokens}`];
}
