/** What a runner's tools are configured with. */
import { z } from 'zod';
import { listed } from '../variable.ts';

export const ToolVariables = z
  // Loose, because tools name the variables that hold their keys.
  .looseObject({
    TOOLS_OFF: z.string().default('').transform(listed).meta({
      description: 'tools that this runner does not offer, with commas between: `http_fetch,session_search`',
    }),
  })
  .meta({ title: 'Tools' })
  .transform(({ TOOLS_OFF, ...others }) => ({
    TOOLS_OFF,
    /** The names of all variables that are set: tools say which of them they need. */
    setVariables: new Set(Object.keys(others)),
  }));
export type ToolVariables = z.output<typeof ToolVariables>;
