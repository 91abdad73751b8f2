/** What a client sees of sessions and their messages. */
import { z } from 'zod';
import { featureModes, type Message, roles, type Session, speechOf } from '../session.ts';
import { endStatuses } from '../task.ts';
import { TaskId, UsageView } from '../task-view.ts';

const Time = z.iso.datetime();
const Count = z.int().min(0);

export const SessionId = z
  .string()
  .meta({ id: 'SessionId', description: 'Id of a session', examples: ['sess_1m80dvxcg008y5d70b2qj0mbs'] });
export const MessageId = z
  .string()
  .meta({ id: 'MessageId', description: 'Id of a message', examples: ['msg_1m80dvxcg008y5d70b2qj0mbs000'] });
export const FeatureMode = z
  .enum(featureModes)
  .meta({ id: 'FeatureMode', description: 'What the conversation is for; a label of yours' });
export const Role = z.enum(roles).meta({ id: 'Role', description: 'Who speaks' });

const Content = z
  .union([z.string(), z.array(z.looseObject({ type: z.string().meta({ description: '`text` or `image_url`' }) }))])
  .meta({ description: 'What is said: a text, or parts that are text or images' });

const ToolCallView = z.object({
  id: z.string().meta({ description: 'Names the call' }),
  type: z.literal('function').meta({ description: 'What is called' }),
  function: z
    .object({
      name: z.string().meta({ description: 'Name of the function' }),
      arguments: z.string().meta({ description: 'Its arguments as the model wrote them' }),
    })
    .meta({ description: 'The function and its arguments' }),
});

export const MessageView = z
  .object({
    message_id: MessageId,
    role: Role,
    content: Content,
    tool_calls: z.array(ToolCallView).optional().meta({ description: 'Of an assistant: the functions it called' }),
    tool_call_id: z.string().optional().meta({ description: 'Of a `tool`: the call that this is the result of' }),
    model: z.string().nullable().meta({ description: 'The model that said it' }),
    usage: UsageView.nullable().meta({ description: 'Tokens of an answer' }),
    metadata: z.record(z.string(), z.string()).meta({ description: 'Pairs of your own' }),
    task_id: TaskId.nullable().meta({ description: 'The task that made it; null of one that was posted' }),
    task_status: z
      .enum(endStatuses)
      .nullable()
      .meta({ description: 'How that task ended: the answer of one that did not complete is a part' }),
    created_at: Time.meta({ description: 'When it came' }),
  })
  .meta({ id: 'Message', description: 'A message of a session' });
export type MessageView = z.infer<typeof MessageView>;

/** A session without its messages. */
export const SessionView = z
  .object({
    session_id: SessionId,
    title: z.string().nullable().meta({ description: 'Yours, or else one that a model made; null before' }),
    feature_mode: FeatureMode,
    model: z.string().nullable().meta({ description: 'The model its tasks use unless they name one' }),
    feature_options: z.record(z.string(), z.unknown()).meta({ description: 'Yours, which nothing reads' }),
    created_at: Time.meta({ description: 'When it was made' }),
    updated_at: Time.meta({ description: 'When a message or a title last came' }),
    total_tokens: Count.meta({ description: 'Tokens that its messages used' }),
    message_count: Count.meta({ description: 'Messages it has' }),
    summary: z.string().nullable().meta({ description: 'Its older part in a few words; null before there is one' }),
  })
  .meta({ id: 'Session', description: 'A session, without its messages' });
export type SessionView = z.infer<typeof SessionView>;

const iso = (ms: number) => new Date(ms).toISOString();

/** `feature_options` is as the client gave it, names such as `__proto__` included. */
export const sessionJson = (session: Session): SessionView => ({
  session_id: session.id,
  title: session.title,
  feature_mode: session.featureMode,
  model: session.model,
  feature_options: JSON.parse(session.featureOptions),
  created_at: iso(session.createdAt),
  updated_at: iso(session.updatedAt),
  total_tokens: session.totalTokens,
  message_count: session.messageCount,
  summary: session.summary?.text ?? null,
});

function usageJson({ inputTokens, outputTokens, estimated }: NonNullable<Message['usage']>): UsageView {
  const total = inputTokens + outputTokens;
  const counts = { input_tokens: inputTokens, output_tokens: outputTokens, total_tokens: total };
  return estimated ? { ...counts, estimated } : counts;
}

export const messageJson = (message: Message): MessageView => ({
  message_id: message.id,
  role: message.role,
  ...speechOf(message.content),
  model: message.model,
  usage: message.usage && usageJson(message.usage),
  metadata: JSON.parse(message.metadata),
  task_id: message.task?.id ?? null,
  task_status: message.task?.status ?? null,
  created_at: iso(message.createdAt),
});
