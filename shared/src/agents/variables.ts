/** What a runner's tools are configured with. */
import { z } from 'zod';
import { listed } from '../variable.ts';

/** What a variable that holds a key is called. */
export const KEY = /_(KEY|TOKEN|SECRET|PASSWORD)$/;

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
    /** The names of the keys that are set, for tools that need them. */
    keysSet: new Set(Object.keys(others).filter((name) => KEY.test(name))),
  }));
export type ToolVariables = z.output<typeof ToolVariables>;
