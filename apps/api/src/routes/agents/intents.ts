/** `GET /api/chat/intents`: what a request may want. */
import { Intent, intentNames, intents } from '@beanline/shared/agents/intent.ts';
import { z } from 'zod';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { json } from '../../openapi/operation.ts';

const IntentRow = z
  .object({
    value: Intent,
    name: z.string().meta({ description: 'Its name' }),
    name_ko: z.string().meta({ description: 'Its name in Korean' }),
    tools: z.array(z.string()).meta({ description: 'The tools that serve it, the first choice first' }),
  })
  .meta({ id: 'IntentRow' });

const example = { value: 'code' as const, name: 'Code', name_ko: '코드', tools: ['code'] };

export function intentsRoute(app: App, { deps: { toolDirectory } }: Api) {
  const byPriority = toolDirectory.rows.toSorted((one, other) => other.priority - one.priority);
  const rows = intents.map((value): z.infer<typeof IntentRow> => {
    const { name, name_ko } = intentNames[value];
    const serving = byPriority.filter((tool) => tool.intents.includes(value));
    return { value, name, name_ko, tools: serving.map((tool) => tool.name) };
  });
  route(app, {
    method: 'get',
    path: '/api/chat/intents',
    operation: {
      operationId: 'listIntents',
      summary: 'What a request may want, and the tools that serve it',
      tag: 'Agents',
      answers: { 200: json('All of them', z.array(IntentRow), [example]) },
    },
    handler: (c) => replyJson(c, 200, rows),
  });
}
