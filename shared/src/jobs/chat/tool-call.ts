/** A call of a function, as outputs and messages hold it. */
import { z } from 'zod';

/** What a model called. Nothing of it is bounded: it is what models write, and goes back to them. */
export const ToolCallFields = z.strictObject({
  id: z.string().meta({ description: 'Names the call; its result has it as `tool_call_id`' }),
  type: z.literal('function').meta({ description: 'What is called' }),
  function: z
    .strictObject({
      name: z.string().meta({ description: 'Name of the function' }),
      arguments: z.string().meta({ description: 'Its arguments as the model wrote them: JSON, unless it failed to' }),
    })
    .meta({ description: 'The function and its arguments' }),
});
