/** Answers to what a run asks. */
import { type AskedCall, CLIENT_TOOLS } from '../../../agents/run/calls/client-calls.ts';
import { TaskError } from '../../../errors.ts';
import type { JobType } from '../../../job-type.ts';

type AnswerProblems = NonNullable<JobType['answerProblems']>;

/** Results are those of all calls that were asked for, each once. */
export const resultProblems: AnswerProblems = ({ tool, arguments: asked }, { results }) => {
  if (tool !== CLIENT_TOOLS || results === undefined) return [];
  const wanted = new Set((asked as AskedCall[]).map(({ id }) => id));
  const given = results.map(({ id }) => id);
  const strange = given.flatMap((id, index) => {
    if (!wanted.has(id)) return [{ path: `results[${index}].id`, message: 'is the id of no call that was asked for' }];
    return given.indexOf(id) < index ? [{ path: `results[${index}].id`, message: 'was given before' }] : [];
  });
  const missing = [...wanted].filter((id) => !given.includes(id));
  if (missing.length === 0) return strange;
  return [...strange, { path: 'results', message: `must hold what every call gave; missing: ${missing.join(', ')}` }];
};

const invalid = (path: string, message: string) =>
  new TaskError('invalid_request', `The request is not valid: ${path}: ${message}`, { fields: [{ path, message }] });

/** `{approval_response: {run_id, action, …}}` answers what the task of this id asks now, whatever else the body says. */
export const approvalResponse: NonNullable<JobType['attach']> = (body) => {
  const path = 'approval_response';
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, path)) return null;
  const given: unknown = Reflect.get(body, path);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid(path, 'must be an object');
  const { run_id, ...answer } = given as Record<string, unknown>;
  if (typeof run_id !== 'string') {
    throw invalid(`${path}.run_id`, run_id === undefined ? 'is required' : 'must be a text');
  }
  return { taskId: run_id, answer, path: [path] };
};
