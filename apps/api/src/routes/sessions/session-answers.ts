/** The bodies of the answers about sessions. */
import { MessageId, MessageView, SessionId, SessionView } from '@beanline/shared/sessions/view.ts';
import { z } from 'zod';

export const SessionAnswer = z.object({ session: SessionView }).meta({ id: 'SessionAnswer' });

/** A session with its newest messages. */
export const WholeSession = z
  .object({
    session: SessionView.extend({
      messages: z.array(MessageView).meta({
        description:
          'Its newest messages, oldest first: 50, or fewer when they are large; `message_count` tells of more',
      }),
    }).meta({ id: 'SessionWithMessages', description: 'The session' }),
  })
  .meta({ id: 'WholeSession' });

export const SessionList = z
  .object({
    sessions: z.array(SessionView).meta({ description: 'The sessions of this page, without their messages' }),
    total: z.int().min(0).meta({ description: 'How many there are on all pages' }),
    total_is_exact: z.boolean().meta({ description: 'False when there are that many at least' }),
    search_type: z.enum(['keyword']).optional().meta({ description: 'How it was searched, with `query`' }),
  })
  .meta({ id: 'SessionList' });

export const MessageList = z
  .object({
    messages: z.array(MessageView).meta({ description: 'The messages of this page, oldest first' }),
    count: z.int().min(0).meta({ description: 'How many these are; fewer than asked for when they are large' }),
    next_cursor: MessageId.nullable().meta({
      description: 'Asks for those before as `before`; null when there are none',
    }),
  })
  .meta({ id: 'MessageList' });

export const MessagePosted = z
  .object({
    message: MessageView,
    session: SessionView.optional().meta({
      description: 'The session with it; not for a key without the scope `read`',
    }),
  })
  .meta({ id: 'MessagePosted' });

export const SummaryAnswer = z
  .object({
    session_id: SessionId,
    summary: z
      .string()
      .nullable()
      .meta({ description: 'The older part of the session in a few words; null before there is one' }),
    messages_covered: z.int().min(0).meta({ description: 'Messages it stands for' }),
    created_at: z.iso.datetime().nullable().meta({ description: 'When it was made' }),
    source: z.enum(['cache', 'database']).meta({ description: 'Where it was found' }),
  })
  .meta({ id: 'Summary' });
export type SummaryAnswer = z.infer<typeof SummaryAnswer>;
