/** What may be done for a session: routes that are there when the catalog has their job types. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import { type Catalog, defineJobType } from '@beanline/shared/job-type.ts';
import { catalog } from '@beanline/shared/jobs/catalog.ts';
import { wire } from '@beanline/shared/wire.ts';
import { z } from 'zod';
import { bearer } from '../../../../scripts/testing/owners.ts';
import { PATIENT } from '../../../../scripts/testing/patient.ts';
import { assertProblem, badPaths } from '../../../../scripts/testing/raw.ts';
import { SESSIONS, sessionClient, UNKNOWN_SESSION } from '../../../../scripts/testing/session-client.ts';
import { silentLog } from '../../../../scripts/testing/task-redis.ts';
import { testRedis } from '../../../../scripts/testing/test-redis.ts';
import { startServer } from '../http/server.ts';
import { HttpVariables } from '../http/variables.ts';

const KEYS = { anna: 'anna-key-0123456789', ben: 'ben-key-0123456789' };

const ofSession = (name: string) =>
  defineJobType({
    name,
    concurrency: 1,
    attempts: 1,
    timeoutMs: 1_000,
    input: z.strictObject({ session_id: z.string(), model: z.string().min(2).optional() }),
    output: z.object({}),
    run: async () => ({}),
  });

/** An API of its own catalog, in this process. */
async function setup(t: TestContext, jobTypes: Catalog) {
  const redis = await testRedis();
  const dataDir = await mkdtemp(join(tmpdir(), 'beanline-test-'));
  const config = readConfig(
    {
      ...PATIENT,
      REDIS_URL: redis.url,
      DATA_DIR: dataDir,
      PORT: '0',
      API_KEYS: `anna:${KEYS.anna},ben:${KEYS.ben}`,
      DRAIN_MS: '0',
    },
    HttpVariables,
  );
  const { deps, close } = wire(config, { program: 'api', log: silentLog, catalog: jobTypes });
  const server = await startServer(deps, config);
  await deps.clock.ready();
  t.after(async () => {
    await server.stop();
    await close();
    await redis.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const url = `http://127.0.0.1:${server.port}`;
  return { anna: sessionClient(url, bearer(KEYS.anna)), ben: sessionClient(url, bearer(KEYS.ben)) };
}

const without = new Map([...catalog].filter(([name]) => !name.startsWith('session.')));
const types = ['session.title', 'session.summary'].map((name) => [name, ofSession(name)] as const);

test('a title and a summary are submitted as tasks of the session, as any task is', async (t) => {
  const { anna, ben } = await setup(t, new Map([...without, ...types]));
  const id = await anna.create();
  for (const end of ['title', 'summary']) {
    const path = `${SESSIONS}/${id}/${end}`;
    const { status, json, headers } = await anna.call('POST', path, undefined, { 'Idempotency-Key': end });
    assert.deepEqual([status, json.type, json.status], [202, `session.${end}`, 'queued']);
    assert.equal(headers.get('location'), `/tasks/${json.task_id}`);
    const again = await anna.call('POST', path, undefined, { 'Idempotency-Key': end });
    assert.deepEqual([again.json.task_id, again.headers.get('idempotency-replayed')], [json.task_id, 'true']);
    assertProblem(await ben.call('POST', path), 404, 'not_found');
    assertProblem(await anna.call('POST', `${SESSIONS}/${UNKNOWN_SESSION}/${end}`), 404, 'not_found');
  }
  const { json } = await anna.call('GET', '/openapi.json');
  for (const end of ['title', 'summary']) assert.ok(json.paths[`${SESSIONS}/{session}/${end}`].post, end);
});

test('their model and options are taken from the body, the model else from the query, and what is wrong is named', async (t) => {
  const { anna } = await setup(t, new Map([...without, ...types]));
  const id = await anna.create();
  for (const end of ['title', 'summary']) {
    const path = `${SESSIONS}/${id}/${end}`;
    const once = { 'Idempotency-Key': `once-${end}` };
    const first = await anna.call('POST', `${path}?model=builtin/extract`, undefined, once);
    assert.equal(first.status, 202, first.text);
    // The same request: what a body says goes before the query.
    for (const [query, body] of [
      ['', { model: 'builtin/extract' }],
      ['?model=builtin/extract', {}],
      ['?model=other', { model: 'builtin/extract' }],
    ] as const) {
      const again = await anna.call('POST', `${path}${query}`, body, once);
      assert.deepEqual([again.status, again.json.task_id], [202, first.json.task_id], query);
    }
    const other = await anna.call('POST', `${path}?model=other`, undefined, once);
    assertProblem(other, 422, 'idempotency_conflict');
    const later = await anna.call('POST', path, { delay_ms: 600_000, metadata: { of: end } });
    assert.deepEqual([later.status, later.json.status], [202, 'scheduled']);
    for (const [query, body, wrong] of [
      ['?model=', undefined, ['model']],
      [`?model=${'x'.repeat(201)}`, {}, ['model']],
      ['', { model: 1 }, ['model']],
      ['', { model: 'm', session_id: UNKNOWN_SESSION }, ['session_id']],
      ['', { modle: 'm', priority: 'x' }, ['modle', 'priority']],
      ['', [], ['']],
    ] as const) {
      const answer = await anna.call('POST', `${path}${query}`, body);
      assertProblem(answer, 400, 'invalid_request');
      assert.deepEqual(badPaths(answer), wrong, query);
    }
  }
});

test('without these job types their routes are not there', async (t) => {
  const { anna } = await setup(t, without);
  const id = await anna.create();
  assertProblem(await anna.call('POST', `${SESSIONS}/${id}/title`), 405, 'method_not_allowed');
  assertProblem(await anna.call('POST', `${SESSIONS}/${id}/summary`), 405, 'method_not_allowed');
});
