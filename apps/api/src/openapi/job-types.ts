/** What follows from the job types for every route: their names in the document, and a task with its output. */
import type { Catalog, JobType } from '@beanline/shared/job-type.ts';
import { TaskView } from '@beanline/shared/task-view.ts';
import { z } from 'zod';

/** The first letter of each word large: `chat.request` is `ChatRequest`. */
export const nameOf = ({ name }: JobType) =>
  name
    .split(/[.-]/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

/** A schema of a job type under a name of the document, unless it has one. */
export const named = (schema: z.ZodType, name: string) => (schema.meta()?.id ? schema : schema.meta({ id: name }));

/** One schema for each catalog, so that the document names it once. */
const tasks = new WeakMap<Catalog, z.ZodType>();

/** A task, its output one of those of the job types. */
export function taskOf(catalog: Catalog): z.ZodType {
  const task = tasks.get(catalog) ?? makeTask(catalog);
  tasks.set(catalog, task);
  return task;
}

function makeTask(catalog: Catalog) {
  const outputs = [...catalog.values()].map((type) => named(type.output, `${nameOf(type)}Output`));
  const description = 'The output of the job type. Of a failed or cancelled task a part of it, or null';
  return TaskView.extend({
    output: z.union([...outputs, z.null()]).meta({ description }),
    input: z.unknown().optional().meta({
      description: 'What the job type was given, with `include=input`; null when it was too large to be kept',
    }),
  }).meta({ id: 'Task' });
}
