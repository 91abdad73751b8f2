/** The OpenAPI document: the descriptions of all routes, and what they share. */
import { createDocument } from 'zod-openapi';
import api from '../../package.json' with { type: 'json' };
import { type Paths, TAGS } from './operation.ts';

export const VERSION = api.version;

export type OpenApiDocument = ReturnType<typeof createDocument>;

export function openApiDocument(...described: Paths[]): OpenApiDocument {
  const merged: Paths = {};
  for (const paths of described) {
    for (const [path, methods] of Object.entries(paths)) merged[path] = { ...merged[path], ...methods };
  }
  return createDocument(
    {
      openapi: '3.1.1',
      info: {
        title: 'beanline',
        version: VERSION,
        summary: 'Runs LLM work as queued jobs.',
        description: [
          'POST a task, then poll it, or follow its events now, later, again, from any event.',
          'Clients ignore fields and events that they do not know.',
          'Errors are `application/problem+json`; the `code` of a failed task and of its events is from the same table.',
        ].join(' '),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/' }],
      // A server without keys is open; one with keys asks for one everywhere but on the pages that say `security: []`.
      security: [{}, { apiKey: [] }],
      tags: Object.values(TAGS).map((name) => ({ name })),
      paths: merged,
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: '`Authorization: Bearer <API key>`' },
        },
      },
    },
    {
      override({ jsonSchema, io }) {
        // The format says it, in fewer than 300 characters.
        if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
        if (io === 'input') return;
        // The contract lets answers grow: only requests are closed.
        if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
        if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
        if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      },
    },
  );
}
