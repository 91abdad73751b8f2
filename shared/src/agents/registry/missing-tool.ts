/** A tool that a run has planned with, or a person has chosen, and that the runner it goes on at does not have. */
import { z } from 'zod';
import { TaskError } from '../../errors.ts';
import { defineTool, type Tool } from '../tool.ts';

/** Stands in its place, so that what earlier attempts did with it is found. It is offered to no model, and runs nothing. */
export const missingTool = (name: string): Tool =>
  defineTool({
    ...{
      name,
      title: { en: name, ko: name },
      description: 'Is not there.',
      intents: [],
      priority: 0,
      forModels: false,
    },
    // One that was begun is not known to have failed.
    effect: 'once',
    input: z.looseObject({}),
    output: z.unknown(),
    argumentsOf: () => ({}),
    async run() {
      throw new TaskError('unavailable', `This was NOT run: the runner does not have the tool ${name}.`);
    },
  });
