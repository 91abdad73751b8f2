/** `GET /api/chat/tools` and `GET /api/chat/tools/<name>`: what agents may use, and what of it can run now. */
import { describeTool, ToolView } from '@beanline/shared/agents/registry/tool-view.ts';
import { TaskError } from '@beanline/shared/errors.ts';
import { z } from 'zod';
import type { Api } from '../../http/context.ts';
import { replyJson } from '../../http/reply.ts';
import { type App, route } from '../../http/route.ts';
import { json } from '../../openapi/operation.ts';

const TAG = 'Agents';
const example: ToolView = {
  ...{ name: 'current_time', title: 'Current time', title_ko: '현재 시각' },
  description: 'Tells the date, the time and the day of the week, now, in a time zone.',
  ...{ status: 'available', is_available: true, reason: null, missing_keys: [], missing_packages: [] },
  ...{ intent_types: ['chat'], priority: 20, effect: 'none', approval: 'never', is_streaming: false },
  input_schema: {
    type: 'object',
    properties: { zone: { type: 'string', default: 'UTC' } },
    additionalProperties: false,
  },
  options: {},
};

const Name = z.string().meta({ description: 'The name of a tool', examples: ['current_time'] });

export function toolRoutes(app: App, { deps: { toolDirectory } }: Api) {
  route(app, {
    method: 'get',
    path: '/api/chat/tools',
    operation: {
      operationId: 'listTools',
      summary: 'Every tool, and whether a runner that is there can run it',
      tag: TAG,
      answers: { 200: json('All tools', z.array(ToolView), [example]) },
      problems: ['unavailable'],
    },
    async handler(c) {
      const { of } = await toolDirectory.availability();
      const rows = toolDirectory.rows.map((row) => describeTool(row, of(row)));
      return replyJson(c, 200, rows);
    },
  });
  route(app, {
    method: 'get',
    path: '/api/chat/tools/{name}',
    operation: {
      operationId: 'readTool',
      summary: 'One tool',
      tag: TAG,
      path: z.object({ name: Name }),
      answers: { 200: json('The tool', ToolView, example) },
      problems: ['not_found', 'unavailable'],
    },
    async handler(c) {
      const row = toolDirectory.rows.find(({ name }) => name === c.req.param('name'));
      if (!row) throw new TaskError('not_found', 'There is no such tool.');
      const { of } = await toolDirectory.availability();
      return replyJson(c, 200, describeTool(row, of(row)));
    },
  });
}
