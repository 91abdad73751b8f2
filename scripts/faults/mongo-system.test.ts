/** Whole systems, once more with their store in a MongoDB: tasks that have left Redis, sessions, kills and a store that is away. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withoutMongo } from '@beanline/shared/store/mongo/testing/test-database.ts';

const API = '../../apps/api/src';
/** Files, and which of their tests when not all: a kill between two writes to Redis is no other one with another store. */
const FILES: Record<string, string[]> = {
  [`${API}/routes/archived`]: [],
  [`${API}/routes/sessions`]: [],
  [`${API}/routes/sessions-list`]: [],
  './session-kills': ['killed right after store', 'the store is away'],
  './session-context': [],
  './crash-archive': ['store.tasks.put', 'freezes'],
};
/** Bounds a file that hangs: a busy machine takes minutes for the longest. */
const FILE_MS = 600_000;
/** Long, and nothing in it that the shorter ones do not ask of the store. */
const TOO_LONG = 'each of fifty turns';
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

for (const [name, tests] of Object.entries(FILES)) {
  test(`${name}.test.ts holds on MongoDB`, { skip: withoutMongo, timeout: FILE_MS }, async (t) => {
    const file = fileURLToPath(new URL(`${name}.test.ts`, import.meta.url));
    // A test runner inside another one reports to that, unless it is not told.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { failed, output } = await new Promise<{ failed: boolean; output: string }>((resolve) => {
      const args = [
        '--test',
        '--test-reporter=spec',
        '--test-timeout=180000',
        `--test-skip-pattern=${TOO_LONG}`,
        ...tests.map((part) => `--test-name-pattern=${part}`),
        file,
      ];
      const options = { env: { ...env, TEST_ON_MONGO: '1' }, maxBuffer: MAX_OUTPUT_BYTES, signal: t.signal };
      execFile(process.execPath, args, options, (error, stdout, stderr) =>
        resolve({ failed: error !== null, output: stdout + stderr }),
      );
    });
    const passed = Number(/^ℹ pass (\d+)$/m.exec(output)?.[1] ?? 0);
    assert.ok(!failed && passed >= Math.max(1, tests.length), output.slice(-6_000));
    t.diagnostic(`${passed} tests passed`);
  });
}
