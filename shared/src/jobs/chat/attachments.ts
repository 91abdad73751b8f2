/** Images and files that come beside the messages of a chat. */
import { z } from 'zod';
import type { Message } from './message.ts';

const File = z.strictObject({
  name: z.string().max(500).meta({ description: 'Name of the file, which the model is told' }),
  type: z.string().max(200).meta({ description: 'Media type of the file, which the model is told' }),
  data: z.string().optional().meta({ description: 'Content of the file; kept with the input, not shown to the model' }),
});

export const Attachments = {
  images: z
    .array(z.string().min(1))
    .max(100)
    .optional()
    .meta({ description: 'Images that belong to the last user message, each as base64 (PNG) or as a data URL' }),
  files: z.array(File).max(100).optional().meta({
    description: 'Files that belong to the last user message; the model is told their names and types only',
  }),
};

type Attached = { messages: Message[]; images?: string[] | undefined; files?: z.output<typeof File>[] | undefined };

/** The messages, attachments in the last one of the user. */
export function attachedMessages({ messages, images = [], files = [] }: Attached): Message[] {
  const last = messages.findLastIndex(({ role }) => role === 'user');
  const target = messages[last];
  if (!target || images.length + files.length === 0) return messages;
  const parts = typeof target.content === 'string' ? [{ type: 'text' as const, text: target.content }] : target.content;
  const named = files.map(({ name, type }) => ({
    type: 'text' as const,
    text: `[Attached file: ${name} (${type})]`,
  }));
  const shown = images.map((image) => ({
    type: 'image_url' as const,
    image_url: { url: image.startsWith('data:') ? image : `data:image/png;base64,${image}` },
  }));
  return messages.with(last, { role: 'user', content: [...parts, ...named, ...shown] });
}
