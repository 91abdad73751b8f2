/** What each event says, by its type: one schema per event. Clients ignore fields and events that they do not know. */
import { z } from 'zod';
import { ErrorCode, ErrorView } from './errors.ts';
import { EventId } from './event.ts';
import { Approval, endStatuses, Progress } from './task.ts';
import { TaskId, UsageView } from './task-view.ts';

const Count = z.int().min(0);
const tool = z.string().meta({ description: 'Name of the tool' });

export const eventData = {
  queued: z
    .object({
      type: z.string().meta({ description: 'The job type' }),
      priority: z.int().meta({ description: 'Seconds of head start' }),
    })
    .meta({ description: 'The task was accepted' }),
  started: z
    .object({ worker: z.string().meta({ description: 'Who runs it' }) })
    .meta({ description: 'An attempt began' }),
  // Their fields, and not the schemas under another description: of those the document would say that they have no fields.
  progress: z.object(Progress.shape).meta({ description: 'A step of a handler that has steps' }),
  text: z
    .object({
      content: z.string().meta({ description: 'The piece' }),
      tool: tool.optional(),
      index: Count.optional().meta({ description: 'Which of several texts it belongs to' }),
    })
    .meta({ description: 'A piece of the output, in order' }),
  reasoning: z
    .object({ content: z.string().meta({ description: 'The piece' }) })
    .meta({ description: 'A piece of what the model thought, in order; no part of the output' }),
  tool_call: z
    .object({
      index: Count.meta({ description: 'Which call of the answer, from 0' }),
      id: z.string().optional().meta({ description: 'Of the first piece: names the call' }),
      name: z.string().optional().meta({ description: 'Of the first piece: the function' }),
      arguments: z
        .string()
        .meta({ description: 'The next piece of its arguments, which are JSON once they are whole' }),
    })
    .meta({ description: "A piece of a call of one of the client's own functions, in order" }),
  text_done: z
    .object({
      total_length: Count.meta({ description: 'Its length, in UTF-16 code units' }),
      tool: tool.optional(),
    })
    .meta({ description: 'That output is whole' }),
  intent: z
    .object({
      primary_intent: z.string().meta({ description: 'What is most likely wanted' }),
      confidence: z.number().min(0).max(1).meta({ description: 'How likely, from 0 to 1' }),
      secondary_intents: z.array(z.string()).meta({ description: 'What may be wanted besides' }),
      extracted_entities: z.record(z.string(), z.unknown()).meta({ description: 'What the request names' }),
    })
    .meta({ description: 'What the request was understood as' }),
  tool_select: z
    .object({
      tools: z.array(tool).meta({ description: 'Their names' }),
      count: Count.meta({ description: 'How many they are' }),
    })
    .meta({ description: 'The tools that will be used' }),
  proposal: z
    .object({
      nodes: Count.meta({ description: 'How many steps there are' }),
      pipeline: z.array(tool).max(6).meta({ description: 'Their tools, in order' }),
      reason: z.string().meta({ description: 'Why these' }),
    })
    .meta({ description: 'The steps that are proposed' }),
  human_approval: z.object(Approval.shape).meta({ description: 'The task waits for a person, holding no worker' }),
  resumed: z
    .object({
      approval_id: z.string().meta({ description: 'Which question was answered' }),
      action: z.string().meta({ description: 'The answer' }),
      by: z.string().meta({ description: 'Who gave it' }),
    })
    .meta({ description: 'The approval was answered, or its time is over' }),
  tool_start: z.looseObject({ tool }).meta({ description: 'A tool began' }),
  tool_progress: z
    .looseObject({
      tool,
      progress: z.number().min(0).max(1).optional().meta({ description: 'The part that is done, from 0 to 1' }),
    })
    .meta({ description: 'How far a tool is' }),
  tool_result: z
    .looseObject({
      tool,
      result: z.unknown().meta({ description: 'What it gave' }),
      status: z.enum(['completed', 'error']).meta({ description: 'Whether it succeeded' }),
    })
    .meta({ description: 'A tool ended' }),
  sources: z
    .object({
      sources: z
        .array(
          z.object({
            document_id: z.string().meta({ description: 'The document' }),
            chunk_id: z.string().meta({ description: 'The place in it' }),
            score: z.number().meta({ description: 'How near it is to the question' }),
            content: z.string().meta({ description: 'Its text' }),
          }),
        )
        .meta({ description: 'The places, best first' }),
    })
    .meta({ description: 'What an answer rests on' }),
  retrying: z
    .object({
      reason: ErrorCode,
      delay_ms: Count.meta({ description: 'Milliseconds until the next attempt may start' }),
      discard: z.literal(true).meta({ description: 'What the attempt wrote is void' }),
    })
    .meta({ description: "This event's attempt is over without ending the task: drop its text" }),
  waiting: z
    .object({
      reason: z.string().meta({ description: 'Why it is held back' }),
      until: z.iso.datetime().meta({ description: 'When it is looked at again; it may be earlier' }),
      discard: z
        .literal(true)
        .optional()
        .meta({ description: 'Where an attempt ended by it: what that attempt wrote is void' }),
    })
    .meta({ description: 'The task is queued and held back; no attempt runs' }),
  steered: z
    .object({
      message_id: z.string().meta({ description: 'The message, as its 202 named it' }),
      mode: z.enum(['steer', 'follow_up']).meta({ description: 'How it was sent' }),
    })
    .meta({ description: 'A message that was sent to the task was taken' }),
  error: ErrorView.extend({ tool: tool.optional() }).meta({ description: 'Something failed, the task goes on' }),
  gap: z
    .object({
      from: EventId.meta({ description: 'The last event of this reader' }),
      to: EventId.meta({
        description:
          'Where the stream goes on; when it comes before `from`, drop what came after it, which may come again',
      }),
      snapshot_url: z.string().meta({ description: 'GET: the task' }),
    })
    .meta({ description: 'Events are missing; the task is at snapshot_url' }),
  done: z
    .object({
      status: z.enum(endStatuses).meta({ description: 'How it ended' }),
      output: z
        .unknown()
        .meta({ description: 'The output of the job type; of a failed or cancelled task a part of it, or null' }),
      error: ErrorView.nullable().meta({ description: 'Why it failed; null of a task that did not' }),
      usage: UsageView.nullable().meta({ description: 'Tokens of all attempts; null when no model was called' }),
      unread_messages: Count.optional().meta({
        description: 'Messages that it was sent and that no finished turn has heard; absent when there are none',
      }),
    })
    .meta({ description: 'Exactly one, always last' }),
};

export type EventType = keyof typeof eventData;
export type EventData = { [Type in EventType]: z.infer<(typeof eventData)[Type]> };

const OF_KERNEL = [
  'queued',
  'started',
  'human_approval',
  'resumed',
  'retrying',
  'waiting',
  'steered',
  'gap',
  'done',
] as const satisfies EventType[];

/** The events a handler may emit; the others are written by the scripts, and by whoever runs it. */
export type HandlerEventType = Exclude<EventType, (typeof OF_KERNEL)[number]>;

/** Types end at run time: a handler that said `done` would end the streams of all readers. */
export const isHandlerEvent = (type: string): type is HandlerEventType =>
  Object.hasOwn(eventData, type) && !OF_KERNEL.some((other) => other === type);

const envelope = <Type extends EventType>(type: Type) =>
  z
    .object({
      type: z.literal(type).meta({ description: 'The event' }),
      task_id: TaskId,
      attempt: Count.meta({ description: 'The attempt it belongs to; 0 before the first' }),
      timestamp: z.iso.datetime().meta({ description: 'When it happened' }),
      data: eventData[type],
    })
    .meta({ id: `Event.${type}` });

/** The `data:` line of an SSE frame. */
export const EventView = z
  .discriminatedUnion(
    'type',
    Object.keys(eventData).map((type) => envelope(type as EventType)) as [ReturnType<typeof envelope>],
  )
  .meta({ id: 'Event' });
