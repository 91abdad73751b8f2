/** What a runner gives every tool beside the call itself. */
import type { Context, StepRun } from '../../context.ts';
import type { GuardedFetch } from '../../fetch/guarded-fetch.ts';
import type { ToolContext, ToolServices } from '../tool.ts';

declare module '../tool.ts' {
  interface ToolServices {
    owner: string;
    /** The time, in ms, by Redis TIME. */
    now(): number;
    /** The only way to what a URL names. */
    fetch: GuardedFetch;
    /** What was said in the owner's sessions and has these words in it, the best first. */
    searchMessages: Context['session']['search'];
  }
}

/** What the runner has for its tools; the rest is of the handler that calls them. */
export type RunnerServices = Omit<ToolServices, 'searchMessages'>;

/** What is said of one call of a tool. `key`: its place in the task. */
export type ToolCallContext = Pick<
  ToolContext,
  'query' | 'messages' | 'results' | 'model' | 'settings' | 'text' | 'progress'
> & {
  key: string;
};

/** The context of one call, made in the step that the call is. */
export const toolContext = (handler: Context, step: StepRun, { key, ...call }: ToolCallContext): ToolContext => ({
  ...handler.tools.services,
  searchMessages: handler.session.search,
  ...step,
  ...call,
  place: key,
  handler,
});
