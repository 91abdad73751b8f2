/** A task's record as its creator writes it; the `create` script adds its state and times. */
import { RECORD_VERSION } from '../task.ts';
import type { NewTask } from './task-verdicts.ts';

/** The fields of the record that come from the request, as they stand in Redis. */
export function newRecord(task: NewTask): Record<string, string | number> {
  return {
    v: RECORD_VERSION,
    owner: task.owner,
    type: task.type,
    type_version: task.typeVersion,
    priority: task.priority,
    timeout_ms: task.timeoutMs,
    max_attempts: task.maxAttempts,
    metadata: JSON.stringify(task.metadata),
    input_bytes: Buffer.byteLength(task.input),
    request_id: task.requestId,
    ...(task.startBy === undefined ? {} : { start_by: task.startBy }),
    ...(task.traceparent === undefined ? {} : { traceparent: task.traceparent }),
    ...(task.retryOf === undefined ? {} : { retry_of: task.retryOf }),
    ...(task.turnOf === undefined ? {} : { turn_of: task.turnOf }),
  };
}
