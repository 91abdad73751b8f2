import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startSystem } from './system.ts';

test('when one program does not start, nothing of the system is left', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'beanline-system-'));
  const before = process.env.TMPDIR;
  process.env.TMPDIR = dir;
  t.after(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    rmSync(dir, { recursive: true, force: true });
  });
  // Only the API minds: without keys it listens on loopback alone.
  await assert.rejects(startSystem({ runners: 2, env: { HOST: '0.0.0.0' } }), /the API did not start:\n.*HOST/s);
  assert.deepEqual(
    process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap'),
    [],
  );
  assert.deepEqual(readdirSync(dir), [], 'Redis is ended and its directory removed');
});
