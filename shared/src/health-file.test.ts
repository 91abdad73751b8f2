import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../scripts/testing/raw.ts';
import { PROMPT, startSystem } from '../../scripts/testing/system.ts';
import { until } from '../../scripts/testing/until.ts';

const AGE_MS = 4_000;

test("a worker's file is fresh while Redis answers, grows old while it does not, and is gone after a stop", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-health-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'runner');
  const system = await startSystem({ runners: 0, env: PROMPT });
  t.after(() => system.stop());
  const runner = await system.startRunner({ HEALTH_FILE: file });
  const age = () => (existsSync(file) ? Date.now() - statSync(file).mtimeMs : Number.POSITIVE_INFINITY);

  await until('fresh', () => age() < 1_000);
  const written = statSync(file).mtimeMs;
  await until('written again', () => statSync(file).mtimeMs > written);
  system.redis.pause();
  await until('old while Redis is frozen', () => age() > AGE_MS);
  system.redis.resume();
  await until('fresh again', () => age() < AGE_MS);
  await runner.signal('SIGTERM');
  assert.equal(existsSync(file), false);
});

test('a file that cannot be written is told and stops nothing', async (t) => {
  const system = await startSystem({ runners: 0, env: { HEALTH_FILE: '/nonexistent/health' } });
  t.after(() => system.stop());
  const told = () => system.relays[0]?.log().match(/the health file cannot be written/g)?.length ?? 0;
  await until('told', () => told() >= 1);
  const { port } = system.apis[0] ?? assert.fail();
  await eventually(
    async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status,
    (status) => status === 200,
  );
});
