/** Answers as the API gives them, for the document: a viewer shows these in the place of what it would make up. */
import { type ErrorCode, errorTable, type FieldError } from '@beanline/shared/errors.ts';
import type { MessageView, SessionView } from '@beanline/shared/sessions/view.ts';
import { type ListedTask, type TaskView, taskUrls } from '@beanline/shared/task-view.ts';
import type { z } from 'zod';
import type { Accepted, CancelRequested, MessageAccepted, Problem, Readiness } from './answers.ts';

const TASK = 'task_1m80dvxcg008y5d70b2qj0mbs';
const SESSION = 'sess_1m80dvxcg003k7h8v2x9wq4ab';

export const accepted: Accepted = {
  task_id: TASK,
  type: 'chat.request',
  status: 'queued',
  created_at: '2026-01-31T12:00:00.000Z',
  urls: taskUrls(TASK),
};

export const cancelRequested: CancelRequested = {
  task_id: TASK,
  status: 'cancelled',
  cancel_requested_at: '2026-01-31T12:00:05.000Z',
};

export const messageAccepted: MessageAccepted = {
  task_id: TASK,
  message_id: 'msg_1m80dvxcg008y5d70b2qj0mbs',
  mode: 'steer',
};

export const listedTask: z.infer<typeof ListedTask> = {
  task_id: TASK,
  type: 'chat.request',
  status: 'completed',
  attempt: 1,
  failures: 0,
  max_attempts: 3,
  priority: 0,
  created_at: '2026-01-31T12:00:00.000Z',
  started_at: '2026-01-31T12:00:00.003Z',
  ended_at: '2026-01-31T12:00:00.815Z',
  wait_ms: 3,
  run_ms: 812,
  progress: null,
  error: null,
  usage: { input_tokens: 12, output_tokens: 9, total_tokens: 21 },
  metadata: {},
  last_event_id: '1-5',
  urls: taskUrls(TASK),
};

export const task: TaskView = {
  ...listedTask,
  output: {
    role: 'assistant',
    content: 'A queue is a line in which work waits for its turn.',
    model: 'llama3.2',
    provider: 'ollama',
    finish_reason: 'stop',
  },
};

const event = (id: string, type: string, timestamp: string, data: object) =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ type, task_id: TASK, attempt: 1, timestamp, data })}\n\n`;

/** What a stream begins with, and how it ends. */
export const eventStreamText = [
  'retry: 1000\n\n',
  event('1-1', 'started', '2026-01-31T12:00:00.003Z', { worker: 'runner-1' }),
  event('1-2', 'text', '2026-01-31T12:00:00.310Z', { content: 'A queue is a line' }),
  event('1-3', 'text', '2026-01-31T12:00:00.690Z', { content: ' in which work waits for its turn.' }),
  event('1-4', 'text_done', '2026-01-31T12:00:00.812Z', { total_length: 51 }),
  event('1-5', 'done', '2026-01-31T12:00:00.815Z', {
    status: 'completed',
    output: task.output,
    error: null,
    usage: task.usage,
  }),
].join('');

export const session: SessionView = {
  session_id: SESSION,
  title: 'Queues',
  feature_mode: 'chat',
  model: null,
  feature_options: { colour: 'green' },
  created_at: '2026-01-31T12:00:00.000Z',
  updated_at: '2026-01-31T12:00:09.000Z',
  total_tokens: 0,
  message_count: 1,
  summary: null,
};

export const message: MessageView = {
  message_id: 'msg_1m80dvxcg008y5d70b2qj0mbs000',
  role: 'user',
  content: 'What is a queue?',
  model: null,
  usage: null,
  metadata: {},
  task_id: null,
  task_status: null,
  created_at: '2026-01-31T12:00:09.000Z',
};

/** Of a longer session. */
export const summary = {
  session_id: SESSION,
  summary: 'What a queue is, and how it differs from a stack.',
  messages_covered: 40,
  created_at: '2026-01-31T12:30:00.000Z',
  source: 'database' as const,
};

export const ready: Readiness = {
  status: 'ready',
  checks: {
    redis: 'ok',
    writes: 'ok',
    queues: 'ok',
    runners: 'ok',
    relay: 'ok',
    store: 'ok',
    bus: 'ok',
    clock: 'ok',
  },
  queues_without_runner: [],
  clock_offset_ms: 0,
  bus_backlog: 0,
  bus_lag_ms: 0,
  queues: [
    {
      type: 'chat.request',
      waiting: 2,
      max_waiting: 100_000,
      waiting_bytes: 1_804,
      max_waiting_bytes: 1_073_741_824,
      runners: 1,
    },
  ],
  caches: { sessions: { hits: 0, misses: 0 }, answers: { hits: 0, misses: 0 } },
  followed_tasks: 0,
};

export const unavailable: Readiness = {
  ...ready,
  status: 'unavailable',
  checks: {
    ...ready.checks,
    redis: 'unreachable',
    writes: 'unreachable',
    queues: 'unknown',
    runners: 'unknown',
    relay: 'unknown',
    bus: 'unknown',
  },
  queues_without_runner: null,
  bus_backlog: null,
  bus_lag_ms: null,
  queues: null,
  caches: { ...ready.caches, answers: null },
};

type Detail = { detail: string; errors?: FieldError[] };
const bad = (path: string, message: string): Detail => ({
  detail: `The request is not valid: ${path}: ${message}`,
  errors: [{ path, message }],
});

/** What each code says, where it is more than its title. */
const details: Partial<Record<ErrorCode, Detail>> = {
  invalid_request: bad('messages[0].role', 'must be one of: system, developer, user, assistant, tool'),
  unknown_type: {
    detail: 'There is no job type of this name. There are: chat.request, session.title, session.summary.',
    errors: [{ path: 'type', message: 'must be one of: chat.request, session.title, session.summary' }],
  },
  unauthorized: {
    detail:
      'This needs a valid API key in the header "Authorization: Bearer <key>". X-API-Key and others are not read.',
  },
  forbidden: { detail: 'This key lacks the scope "submit".' },
  request_timeout: { detail: 'The request arrived too slowly.' },
  gone: { detail: 'The task is past its retention.' },
  payload_too_large: { detail: 'The body is larger than 10485760 bytes (MAX_BODY_BYTES).' },
  unsupported_media_type: { detail: 'The Content-Type must be application/json.' },
  idempotency_conflict: { detail: 'This Idempotency-Key was used for a request that differs from this one.' },
  queue_full: { detail: 'The queue chat.request is full (tasks). Nothing was accepted.' },
  rate_limited: { detail: 'More than 100 requests in 1 s.' },
  unavailable: { detail: 'Redis is not reachable.' },
  internal: { detail: 'Something went wrong inside beanline. The log has the details.' },
};

/** The problem of a code, where `missing` is what an unknown id says. */
export function problemExample(code: ErrorCode, missing: string): Problem {
  const { status, title } = errorTable[code];
  return {
    type: `https://beanline.dev/errors/${code}`,
    title,
    status,
    code,
    ...(code === 'not_found' ? { detail: missing } : (details[code] ?? { detail: title })),
    request_id: 'req_QcHFKaVojzBPyvUrLFvZH',
  };
}
