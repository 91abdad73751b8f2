/** A task that a request has brought on its way, and how it is answered with. */
import type { StoredStatus } from '@beanline/shared/task.ts';
import type { FoundTask } from '@beanline/shared/tasks/read-task.ts';
import type { Accepted } from '../../openapi/answers.ts';

export type Attached = {
  id: string;
  /** The task as far as it is known, to wait from. */
  from: { id: string; owner: string; lastId: string; status: StoredStatus };
  /** The event after which its events are told. */
  after: string;
  task?: FoundTask | undefined;
  headers: Record<string, string>;
  /** The body of 202. */
  accepted(task: FoundTask | undefined): Accepted;
};
