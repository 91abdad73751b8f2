/** Tools as a model is told of them. */
import { z } from 'zod';
import type { ChatTool } from '../../provider.ts';
import type { Tool, ToolRow } from '../tool.ts';

/** The JSON schema of what a model, or a client, writes. */
export const schemaOf = (schema: z.ZodObject) => z.toJSONSchema(schema, { io: 'input', target: 'draft-7' });

const known = new WeakMap<ToolRow, ChatTool>();

/** The function that a model may call. */
export function functionOf(tool: Tool): ChatTool {
  const there = known.get(tool);
  if (there) return there;
  const { $schema, ...parameters } = schemaOf(tool.input);
  const made: ChatTool = { type: 'function', function: { name: tool.name, description: tool.description, parameters } };
  known.set(tool, made);
  return made;
}
