/** Why a URL was not fetched. */
import { TaskError } from '../errors.ts';

export type FetchProblem =
  | 'url'
  | 'address'
  | 'port'
  | 'redirects'
  | 'size'
  | 'type'
  | 'encoding'
  | 'time'
  | 'connection';

/** What another try may do better. */
const PASSING = new Set<FetchProblem>(['time', 'connection']);

/** `fetch_failed` when trying again may help, else `fetch_refused`. Its message names the URL's host at most. */
export class FetchError extends TaskError {
  readonly problem: FetchProblem;

  constructor(problem: FetchProblem, message: string, cause?: unknown) {
    super(PASSING.has(problem) ? 'fetch_failed' : 'fetch_refused', message, cause === undefined ? {} : { cause });
    this.name = 'FetchError';
    this.problem = problem;
  }
}
