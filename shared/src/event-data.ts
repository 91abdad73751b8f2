/** What each event says, by its type: one schema per event. Clients ignore fields and events that they do not know. */
import { z } from 'zod';
import { ErrorCode, ErrorView } from './errors.ts';
import { EventId } from './event.ts';
import { endStatuses } from './task.ts';
import { Approval, Progress, TaskId, UsageView } from './task-view.ts';

const Count = z.int().min(0);
const tool = z.string();

export const eventData = {
  queued: z.object({ type: z.string(), priority: z.int() }).meta({ description: 'The task was accepted' }),
  started: z.object({ worker: z.string() }).meta({ description: 'An attempt began' }),
  progress: Progress.meta({ description: 'A step of a handler that has steps' }),
  text: z
    .object({ content: z.string(), tool: tool.optional(), index: Count.optional() })
    .meta({ description: 'A piece of the output, in order' }),
  text_done: z.object({ total_length: Count, tool: tool.optional() }).meta({ description: 'That output is whole' }),
  intent: z
    .object({
      primary_intent: z.string(),
      confidence: z.number().min(0).max(1),
      secondary_intents: z.array(z.string()),
      extracted_entities: z.record(z.string(), z.unknown()),
    })
    .meta({ description: 'What the request was understood as' }),
  tool_select: z.object({ tools: z.array(tool), count: Count }).meta({ description: 'The tools that will be used' }),
  proposal: z
    .object({ nodes: Count, pipeline: z.array(tool).max(6), reason: z.string() })
    .meta({ description: 'The steps that are proposed' }),
  human_approval: Approval.meta({ description: 'The task waits for a person, holding no worker' }),
  resumed: z
    .object({ approval_id: z.string(), action: z.string(), by: z.string() })
    .meta({ description: 'The approval was answered, or its time is over' }),
  tool_start: z.looseObject({ tool }).meta({ description: 'A tool began' }),
  tool_progress: z
    .looseObject({ tool, progress: z.number().min(0).max(1).optional() })
    .meta({ description: 'How far a tool is' }),
  tool_result: z
    .looseObject({ tool, result: z.unknown(), status: z.enum(['completed', 'error']) })
    .meta({ description: 'A tool ended' }),
  sources: z
    .object({
      sources: z.array(
        z.object({ document_id: z.string(), chunk_id: z.string(), score: z.number(), content: z.string() }),
      ),
    })
    .meta({ description: 'What an answer rests on' }),
  retrying: z
    .object({ reason: ErrorCode, delay_ms: Count, discard: z.literal(true) })
    .meta({ description: "This event's attempt is over without ending the task: drop its text" }),
  error: ErrorView.extend({ tool: tool.optional() }).meta({ description: 'Something failed, the task goes on' }),
  gap: z
    .object({ from: EventId, to: EventId, snapshot_url: z.string() })
    .meta({ description: 'Events are missing; the task is at snapshot_url' }),
  done: z
    .object({
      status: z.enum(endStatuses),
      output: z.unknown(),
      error: ErrorView.nullable(),
      usage: UsageView.nullable(),
    })
    .meta({ description: 'Exactly one, always last' }),
};

export type EventType = keyof typeof eventData;
export type EventData = { [Type in EventType]: z.infer<(typeof eventData)[Type]> };

/** The events a handler may emit; the others are written by the scripts. */
export type HandlerEventType = Exclude<
  EventType,
  'queued' | 'started' | 'human_approval' | 'resumed' | 'retrying' | 'gap' | 'done'
>;

const envelope = <Type extends EventType>(type: Type) =>
  z
    .object({
      type: z.literal(type),
      task_id: TaskId,
      attempt: Count,
      timestamp: z.iso.datetime(),
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
