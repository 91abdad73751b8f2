import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findSchemathesis, runToEnd } from '../testing/schemathesis.ts';
import { type System, startSystem } from '../testing/system.ts';

const MIN_REQUESTS = 5_000;
/** Its share of a busy machine with two cores included. */
const MAX_MS = 1_200_000;
const fuzz = (name: string) => fileURLToPath(new URL(`../testing/fuzz/${name}`, import.meta.url));

const schemathesis = await findSchemathesis();
if ('reason' in schemathesis) console.error(`NOT FUZZED: ${schemathesis.reason}`);

let system: System;
let dir: string;
before(async () => {
  if ('reason' in schemathesis) return;
  dir = await mkdtemp(join(tmpdir(), 'beanline-fuzz-'));
  system = await startSystem({ env: { TEST_CATALOG: 'real' } });
});
after(async () => {
  await system?.stop();
  if (dir) await rm(dir, { recursive: true, force: true });
});

test(`${MIN_REQUESTS} requests made from /openapi.json are answered as it says, none of them by 500`, {
  timeout: MAX_MS,
  skip: 'reason' in schemathesis && `NOT FUZZED: ${schemathesis.reason}`,
}, async (t) => {
  assert.ok('path' in schemathesis);
  const counted = join(dir, 'statuses.json');
  const { code, output } = await runToEnd(
    schemathesis.path,
    ['--no-color', '--config-file', fuzz('schemathesis.toml'), 'run', `${system.url}/openapi.json`],
    { env: { SCHEMATHESIS_HOOKS: fuzz('hooks.py'), FUZZ_STATUSES: counted }, signal: t.signal, cwd: dir },
  );
  const statuses: Record<string, number> = JSON.parse(await readFile(counted, 'utf8').catch(() => '{}'));
  const requests = Object.values(statuses).reduce((sum, count) => sum + count, 0);
  t.diagnostic(`${requests} requests; ${/^Seed: .*$/m.exec(output)?.[0]}`);
  t.diagnostic(JSON.stringify(statuses));
  assert.equal(code, 0, output.slice(-20_000));
  assert.ok(requests >= MIN_REQUESTS, `only ${requests} requests:\n${output.slice(-5_000)}`);
  const broken = Object.keys(statuses).filter((key) => / 50[024]$/.test(key));
  assert.deepEqual(broken, []);
  assert.doesNotMatch(system.logs(), /a request failed|uncaughtException|unhandledRejection/);
});
