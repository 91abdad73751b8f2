/** A task's record as its creator writes it; the `create` script adds its state and times. */
import { RECORD_VERSION } from '../task.ts';
import type { NewTask } from './task-verdicts.ts';

/** The fields of the record that come from the request, as they stand in Redis: name, value … */
export function newRecord(task: NewTask, inputBytes: number): (string | number)[] {
  const fields = [
    'v',
    RECORD_VERSION,
    'owner',
    task.owner,
    'type',
    task.type,
    'type_version',
    task.typeVersion,
    'priority',
    task.priority,
    'timeout_ms',
    task.timeoutMs,
    'max_attempts',
    task.maxAttempts,
    'metadata',
    JSON.stringify(task.metadata),
    'input_bytes',
    inputBytes,
    'request_id',
    task.requestId,
  ];
  if (task.startBy !== undefined) fields.push('start_by', task.startBy);
  if (task.patienceMs !== undefined) fields.push('patience_ms', task.patienceMs);
  if (task.traceparent !== undefined) fields.push('traceparent', task.traceparent);
  if (task.retryOf !== undefined) fields.push('retry_of', task.retryOf);
  if (Object.keys(task.marks).length > 0) fields.push('marks', JSON.stringify(task.marks));
  return fields;
}
