/**
 * Configuration: the slices of all rooms, read from one environment. Every problem is reported at once. Every variable has a
 * default.
 */
import type { z } from 'zod';
import { IntentVariables } from './agents/intents/variables.ts';
import { ToolVariables } from './agents/variables.ts';
import { FetchVariables } from './fetch/variables.ts';
import { JobVariables } from './jobs/catalog/variables.ts';
import { LineVariables } from './lines/variables.ts';
import { modelSlices } from './models/variables.ts';
import { OutboxVariables } from './outbox/variables.ts';
import { OwnerVariables } from './owners/variables.ts';
import { QueueVariables } from './queue/variables.ts';
import { RecordVariables } from './record/variables.ts';
import { RedisVariables } from './redis/variables.ts';
import { SessionVariables } from './sessions/variables.ts';
import { StoreVariables } from './store/variables.ts';
import { TaskVariables } from './tasks/variables.ts';
import { issueWords } from './text.ts';
import { type Joined, ProgramVariables, type Slice } from './variable.ts';

/** What every program reads; the API reads a slice of its own besides. */
export const slices = [
  ProgramVariables,
  OwnerVariables,
  RedisVariables,
  StoreVariables,
  ...modelSlices,
  JobVariables,
  QueueVariables,
  TaskVariables,
  RecordVariables,
  OutboxVariables,
  SessionVariables,
  LineVariables,
  FetchVariables,
  ToolVariables,
  IntentVariables,
] as const;

/** What a program is configured with. */
export interface Environment extends Joined<typeof slices> {}

/** Thrown when the environment is not valid; its message names every variable that is wrong. */
export class ConfigError extends Error {
  readonly problems: string[];
  constructor(problems: string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Reads the configuration out of an environment, with what a program has besides. Empty variables count as absent. */
export function readConfig(env: Record<string, string | undefined>): Environment;
export function readConfig<More extends Slice>(
  env: Record<string, string | undefined>,
  more: More,
): Environment & z.output<More>;
export function readConfig(env: Record<string, string | undefined>, ...more: Slice[]): object {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = [...slices, ...more].map((slice) => slice.safeParse(given, { error: issueWords }));
  const issues = parsed.flatMap(({ error }) => error?.issues ?? []);
  if (issues.length > 0) throw new ConfigError(issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
  return Object.assign({}, ...parsed.map(({ data }) => data));
}
