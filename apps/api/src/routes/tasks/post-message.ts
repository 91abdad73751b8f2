/** `POST /tasks/<id>/messages`: a message to a task that runs, waits for its turn, or waits for a person. */
import { ContentPart } from '@beanline/shared/jobs/chat/message.ts';
import { sendMessage } from '@beanline/shared/tasks/send-message.ts';
import { textOf } from '@beanline/shared/text.ts';
import { z } from 'zod';
import { invalid, parseFields } from '../../http/bad-fields.ts';
import { readJson } from '../../http/body.ts';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { MessageAccepted } from '../../openapi/answers.ts';
import { messageAccepted } from '../../openapi/examples.ts';
import { answerHeaders, json, requestHeaders } from '../../openapi/operation.ts';
import { IdempotencyKey } from '../submit/submit-request.ts';
import { findTask, TAG, TaskPath } from './task-path.ts';

const Message = z
  .strictObject({
    content: z
      .union([textOf(1, 32_768), z.array(ContentPart).min(1).max(100)])
      .meta({ description: 'What is said: a text, or parts that are text or images' }),
    mode: z.enum(['steer', 'follow_up']).default('steer').meta({
      description: '`steer`: for the next turn of the work. `follow_up`: for one more turn when the work is done',
    }),
  })
  .meta({ id: 'TaskMessage', examples: [{ content: 'In Korean, please.' }] });

export function postTaskMessageRoute(app: App, api: Api) {
  route(app, {
    method: 'post',
    path: '/tasks/{id}/messages',
    operation: {
      operationId: 'postTaskMessage',
      summary: 'Sends a message to the task, which takes it at its next turn',
      description:
        'While the task has not ended, of job types that take messages. The event `steered` tells that it was taken; `unread_messages` of the task counts those that no finished turn has heard.',
      tag: TAG,
      path: TaskPath,
      header: z.object({
        ...requestHeaders,
        'Idempotency-Key': IdempotencyKey.optional().meta({
          description: 'The same key and message are one message to this task, as long as the task is kept',
        }),
      }),
      body: { schema: Message, example: { content: 'In Korean, please.', mode: 'steer' } },
      answers: {
        202: json('The task has it', MessageAccepted, messageAccepted, {
          'Idempotency-Replayed': answerHeaders.replayed,
        }),
      },
      problems: ['not_found', 'gone', 'conflict', 'idempotency_conflict', 'queue_full'],
    },
    async handler(c) {
      const given = c.env.incoming.headers['idempotency-key']?.toString();
      const idempotencyKey = parseFields(IdempotencyKey.optional(), given, ['Idempotency-Key']);
      const task = await findTask(api, c, 'listed');
      const { content, mode } = parseFields(Message, await readJson(c));
      const maxBytes = api.config.MAX_MESSAGE_BYTES;
      if (Buffer.byteLength(JSON.stringify(content)) > maxBytes) {
        throw invalid({ path: 'content', message: `must have at most ${maxBytes} bytes as JSON` });
      }
      const { id, replayed } = await sendMessage(api.deps, task, { content, mode, idempotencyKey });
      const headers: Record<string, string> = replayed ? { 'Idempotency-Replayed': 'true' } : {};
      return replyJson(c, 202, { task_id: task.id, message_id: id, mode } satisfies MessageAccepted, headers);
    },
  });
}
