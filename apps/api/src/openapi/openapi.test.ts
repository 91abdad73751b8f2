import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { ErrorCode } from '@beanline/shared/errors.ts';
import { eventData } from '@beanline/shared/event-data.ts';
import { type Catalog, defineJobType } from '@beanline/shared/job-type.ts';
import { RESERVED_FIELDS, RESERVED_ROUTES } from '@beanline/shared/jobs/catalog/check-job-types.ts';
import { catalog } from '@beanline/shared/jobs/catalog.ts';
import { createLog } from '@beanline/shared/log.ts';
import { wire } from '@beanline/shared/wire.ts';
import { compileErrors, validate } from '@readme/openapi-parser';
import { z } from 'zod';
import { testCatalog } from '../../../../scripts/testing/catalog.ts';
import { testRedis } from '../../../../scripts/testing/test-redis.ts';
import { createApp, declareRoutes } from '../app.ts';
import { corsHeaders, preflightHeaders } from '../http/access/browser.ts';
import { type Api, createApi } from '../http/context.ts';
import { HttpVariables } from '../http/variables.ts';
import { SubmitOptions } from '../routes/submit/submit-request.ts';
import { openApiDocument } from './document.ts';

let redis: Awaited<ReturnType<typeof testRedis>>;
before(async () => {
  redis = await testRedis();
});
after(() => redis.stop());

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever the document holds
type Json = any;

/** What the API has of these job types; nothing of it listens. */
async function withApi<T>(jobTypes: Catalog, look: (api: Api) => T): Promise<T> {
  const config = readConfig({ REDIS_URL: redis.url }, HttpVariables);
  const log = createLog({ level: 'silent', name: 'api' });
  const { deps, close } = wire(config, { program: 'api', log, catalog: jobTypes });
  await deps.clock.ready();
  try {
    return look(createApi(deps, config, new AbortController().signal));
  } finally {
    await close();
  }
}

const describe = (jobTypes: Catalog): Promise<Json> =>
  withApi(jobTypes, (api) => JSON.parse(JSON.stringify(openApiDocument(declareRoutes(api).routes))));

/** `GET /tasks/{id}` for every route of the application. */
const routes = (jobTypes: Catalog): Promise<string[]> =>
  withApi(jobTypes, (api) =>
    createApp(api)
      .routes.filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:([a-z]+)/g, '{$1}')}`),
  );

const operations = (document: Json): { name: string; operation: Json }[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as object).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  );

/** All values under a key, anywhere in the document. */
function under(node: Json, key: string): Json[] {
  if (node === null || typeof node !== 'object') return [];
  return Object.entries(node).flatMap(([name, value]) => [...(name === key ? [value] : []), ...under(value, key)]);
}

for (const [name, jobTypes] of [
  ['the real job types', catalog],
  ['the job types of the tests', testCatalog],
] as const) {
  test(`every route is documented, and every documented route is there: ${name}`, async () => {
    const documented = operations(await describe(jobTypes)).map((operation) => operation.name);
    // For people and their browsers: no program asks for them.
    const pages = ['GET /', 'GET /docs/', 'GET /docs/{file}'];
    assert.deepEqual([...documented, ...pages].toSorted(), (await routes(jobTypes)).toSorted());
  });

  test(`a validator of OpenAPI 3.1 accepts the document: ${name}`, async () => {
    const document = await describe(jobTypes);
    assert.match(document.openapi, /^3\.1\./);
    const result = await validate(structuredClone(document));
    assert.ok(result.valid, result.valid ? '' : compileErrors(result));
    assert.deepEqual(result.warnings, []);
  });

  test(`every reference leads somewhere, and nothing is named that nothing refers to: ${name}`, async () => {
    const document = await describe(jobTypes);
    const refs = new Set<string>(under(document, '$ref'));
    for (const mapping of under(document, 'mapping')) for (const ref of Object.values(mapping)) refs.add(String(ref));
    const named = Object.entries(document.components).flatMap(([kind, entries]) =>
      Object.keys(entries as object).map((entry) => `#/components/${kind}/${entry}`),
    );
    const schemes = named.filter((ref) => ref.startsWith('#/components/securitySchemes/'));
    assert.deepEqual(schemes, ['#/components/securitySchemes/apiKey']);
    const referable = named.filter((ref) => !schemes.includes(ref));
    assert.deepEqual([...refs].toSorted(), referable.toSorted());
  });
}

test('every operation has a name of its own, a summary, a tag of the list, and says what it answers', async () => {
  const document = await describe(testCatalog);
  const all = operations(document);
  const ids = all.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  const tags = document.tags.map((tag: Json) => tag.name);
  for (const { name, operation } of all) {
    assert.match(operation.operationId, /^[a-z][a-zA-Z]{3,23}$/, name);
    assert.ok(operation.summary.length > 0, name);
    assert.ok(tags.includes(operation.tags[0]), name);
    for (const status of ['400', '408', '500']) assert.ok(operation.responses[status], `${name} ${status}`);
    const placeholders = [...name.matchAll(/\{(\w+)\}/g)].map(([, placeholder]) => placeholder);
    const parameters = operation.parameters.map((parameter: Json) =>
      parameter.$ref ? document.components.parameters[parameter.$ref.split('/').at(-1)] : parameter,
    );
    const namesIn = (place: string): string[] =>
      parameters.filter((parameter: Json) => parameter.in === place).map((parameter: Json) => parameter.name);
    assert.deepEqual(namesIn('path'), placeholders);
    assert.ok(namesIn('header').includes('X-Request-Id'), name);
  }
});

test('a key is asked for everywhere but on the pages that anybody may read, and each such route says 401, 403 and 429', async () => {
  const document = await describe(catalog);
  assert.deepEqual(document.security, [{}, { apiKey: [] }]);
  const open: string[] = [];
  for (const { name, operation } of operations(document)) {
    if (operation.security) {
      assert.deepEqual(operation.security, []);
      open.push(name);
      continue;
    }
    for (const status of ['401', '403', '429', '503']) assert.ok(operation.responses[status], `${name} ${status}`);
  }
  assert.deepEqual(open, ['GET /healthz', 'GET /readyz', 'GET /openapi.json', 'GET /docs']);
});

test('a page of an allowed origin may send every header that a route reads, and read every header of an answer', async () => {
  const document = await describe(catalog);
  const origin = 'https://app.example.com';
  const asks = { origin, 'access-control-request-method': 'POST' };
  const sent: string[] = under(document, 'parameters')
    .flat()
    .flatMap((parameter: Json) => (parameter.in === 'header' ? [parameter.name] : []));
  assert.ok(sent.includes('Idempotency-Key'));
  const allowed = preflightHeaders('OPTIONS', asks, [origin])?.['Access-Control-Allow-Headers']?.split(', ');
  assert.deepEqual(
    sent.filter((name) => !allowed?.includes(name)),
    [],
  );
  const read: string[] = under(document, 'headers').flatMap((headers: Json) => Object.keys(headers));
  assert.ok(read.includes('X-Task-Id'));
  const exposed = corsHeaders({ origin }, [origin])['Access-Control-Expose-Headers']?.split(', ');
  assert.deepEqual(
    read.filter((name) => !exposed?.includes(name)),
    [],
  );
});

test('no job type of one’s own can have a route of the API’s own, or a field that is an option of a submit', async () => {
  assert.deepEqual(RESERVED_FIELDS, [...Object.keys(SubmitOptions.shape), 'webhook']);
  const { paths } = await describe(new Map());
  const own = Object.keys(paths).filter((path) => path.startsWith('/api/'));
  assert.ok(own.length > 0);
  const isReserved = (path: string) => RESERVED_ROUTES.some((place) => `${path}/`.startsWith(`${place}/`));
  assert.deepEqual(
    own.filter((path) => !isReserved(path)),
    [],
  );
});

test('every event and every error code of the tables is in it', async () => {
  const { schemas } = (await describe(catalog)).components;
  const events = Object.keys(eventData);
  assert.deepEqual(Object.keys(schemas.Event.discriminator.mapping), events);
  assert.deepEqual(schemas.StreamedEvent.properties.event.enum, events);
  assert.deepEqual(schemas.ErrorCode.enum, ErrorCode.options);
});

test('every field of every request and answer is described, and no body is shown as `never`, though two options exclude each other', async () => {
  const document = await describe(catalog);
  const bare: string[] = [];
  const look = (schema: Json, path: string) => {
    if (schema === null || typeof schema !== 'object') return;
    for (const [name, property] of Object.entries<Json>(schema.properties ?? {})) {
      const named = document.components.schemas[property.$ref?.split('/').at(-1)];
      if (!(property.description ?? named?.description)) bare.push(`${path}.${name}`);
      look(property, `${path}.${name}`);
    }
    // `properties` holds names, `dependentSchemas` says more of fields that stand there.
    for (const [key, value] of Object.entries(schema)) {
      if (key !== 'properties' && key !== 'dependentSchemas') look(value, `${path}/${key}`);
    }
  };
  for (const [name, schema] of Object.entries(document.components.schemas)) look(schema, name);
  assert.deepEqual(bare, []);

  const bodies = operations(document).flatMap(({ operation }) => operation.requestBody ?? []);
  for (const body of bodies)
    assert.match(body.content['application/json'].schema.$ref, /^#\/components\/schemas\/\w+$/);
  // Beside a `$ref` it would forbid every field that stands there.
  const closed = Object.values<Json>(document.components.schemas).flatMap((schema) =>
    Object.values<Json>(schema.properties ?? {}),
  );
  assert.deepEqual(
    closed.filter((property) => '$ref' in property && 'additionalProperties' in property),
    [],
  );
  // Viewers show a schema with a `not` as `never`.
  assert.deepEqual(under(document, 'not'), []);
  const { schemas } = document.components;
  const ofOptions = { delay_ms: { properties: { run_at: false } } };
  const ofChat = { session_id: { properties: { messages: { maxItems: 100 }, cache: { const: false } } } };
  assert.deepEqual(schemas.ChatRequestBody.dependentSchemas, { ...ofChat, ...ofOptions });
  assert.deepEqual(schemas.ChatRequestTask.dependentSchemas, ofOptions);
  assert.deepEqual(schemas.ChatRequestInput.dependentSchemas, ofChat);
});

test('a job type that is added documents itself: its route, its input beside the options, its task, its output', async () => {
  const verse = defineJobType({
    name: 'verse.write',
    route: '/api/verse',
    concurrency: 1,
    attempts: 1,
    timeoutMs: 1_000,
    input: z.strictObject({ about: z.string().min(1) }),
    output: z.object({ poem: z.string() }),
    run: async () => ({ poem: '' }),
  });
  const document = await describe(new Map([...catalog, [verse.name, verse]]));
  const { schemas } = document.components;
  const { operationId, requestBody } = document.paths['/api/verse'].post;
  assert.equal(operationId, 'submitVerseWrite');
  assert.deepEqual(requestBody.content['application/json'].schema, { $ref: '#/components/schemas/VerseWriteBody' });
  const { properties, required, additionalProperties } = schemas.VerseWriteBody;
  assert.deepEqual([required, additionalProperties], [['about'], false]);
  assert.deepEqual(properties.about, { type: 'string', minLength: 1 });
  const options = [
    'priority',
    'delay_ms',
    'run_at',
    'start_by',
    'timeout_ms',
    'max_attempts',
    'patience_ms',
    'on_busy',
    'metadata',
  ];
  assert.deepEqual(Object.keys(properties), ['about', ...options]);
  assert.deepEqual(Object.keys(schemas.VerseWriteTask.properties), ['type', 'input', ...options]);
  assert.equal(schemas.TaskBody.discriminator.mapping['verse.write'], '#/components/schemas/VerseWriteTask');
  assert.ok(schemas.Task.properties.output.anyOf.some((output: Json) => output.$ref?.endsWith('/VerseWriteOutput')));
  const types = document.paths['/tasks'].get.parameters.find((parameter: Json) => parameter.name === 'type');
  assert.deepEqual(types.schema.enum, [...catalog.keys(), 'verse.write']);
});
