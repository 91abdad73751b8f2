/** The OpenAPI document: what all routes say of themselves, and what they share. */
import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import api from '../../package.json' with { type: 'json' };
import { type Body, type Described, type Documented, problemsOf, requestHeaders } from './operation.ts';

export const VERSION = api.version;

function operationOf(route: Documented): ZodOpenApiOperationObject {
  const { operationId, summary, description, tag, path, query, header, body, answers } = route.operation;
  return {
    operationId,
    summary,
    ...(description && { description }),
    tags: [tag],
    ...(route.isPublic ? { security: [] } : {}),
    requestParams: { header: header ?? z.object(requestHeaders), ...(path && { path }), ...(query && { query }) },
    ...(body && { requestBody: bodyOf(body) }),
    responses: { ...problemsOf(route), ...answers },
  };
}

function bodyOf({ isOptional, ...media }: Body) {
  return { ...(isOptional ? {} : { required: true }), content: { 'application/json': media } };
}

/** The document of these routes, paths and headings in the order in which they first come. */
export function openApiDocument(all: readonly Described[]): ReturnType<typeof createDocument> {
  const routes = all.filter((route): route is Documented => route.operation !== undefined);
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  const tags = [...new Set(routes.map(({ operation }) => operation.tag))];
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
      tags: tags.map((name) => ({ name })),
      paths,
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
