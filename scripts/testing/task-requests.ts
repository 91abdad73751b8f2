/** Requests to every route of one task, for whoever may not see it. */

/** Well formed, and of no task. */
export const UNKNOWN_TASK = `task_${'0'.repeat(24)}1`;

/** Method, what follows `/tasks/<id>`, headers, body. */
export const taskRequests: [string, string, Record<string, string>, unknown?][] = [
  ['GET', '', {}],
  ['HEAD', '', {}],
  ['GET', '?include=input', {}],
  ['GET', '?wait=5', {}],
  ['GET', '?wait=5&after=1-1', {}],
  ['GET', '', { 'If-None-Match': '"0-1"' }],
  ['GET', '', { 'If-None-Match': '"1-4"' }],
  ['GET', '/events', {}],
  ['GET', '/events', { 'Last-Event-ID': '1-1' }],
  ['GET', '/events', { 'Last-Event-ID': '999-1' }],
  ['GET', '/events?after=9-9', { Accept: 'text/event-stream' }],
  ['HEAD', '/events', {}],
  ['POST', '/cancel', {}],
  ['POST', '/retry', {}],
  ['POST', '/retry', { 'Idempotency-Key': 'foreign' }],
  ['POST', '/retry', { Accept: 'text/event-stream' }],
  ['POST', '/retry', { Prefer: 'wait=5' }],
  ['POST', '/messages', {}, { content: 'x' }],
  ['POST', '/messages', { 'Idempotency-Key': 'foreign' }, { content: 'x', mode: 'follow_up' }],
  ['POST', '/approvals/appr_0', {}, { action: 'run' }],
  ['POST', '/approvals/appr_0', { Accept: 'text/event-stream' }, { action: 'run' }],
  ['POST', '/approvals/appr_0', { Prefer: 'wait=5' }, { action: 'cancel' }],
];
