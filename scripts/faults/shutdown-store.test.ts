/** Programs are told to stop while somebody else has the store locked. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { SHORT_RETENTION } from '../testing/archived.ts';
import { followToEnd, submit } from '../testing/client.ts';
import { watchMachine } from '../testing/machine.ts';
import { ask, eventually } from '../testing/raw.ts';
import { holdStoreFile } from '../testing/store-file.ts';
import { until } from '../testing/until.ts';
import { slowWords } from '../testing/upstream.ts';
import { startFaults } from './checks.ts';

const DRAIN_MS = 1_000;
const END_MS = DRAIN_MS + 2_000;
const STORE_TIMEOUT_MS = 8_000;

test('an API and a relay that wait for a locked store end in time and in order, and what was accepted comes into the store later', async (t) => {
  const system = await startFaults({
    env: { ...SHORT_RETENTION, DRAIN_MS: String(DRAIN_MS), STORE_TIMEOUT_MS: String(STORE_TIMEOUT_MS) },
  });
  t.after(system.stop);
  system.upstream.answer = slowWords(5, 0);
  const { url, apis, relays } = system;
  // Else nobody may have made its tables yet.
  await eventually(
    () => ask(`${url}/readyz`),
    ({ json }) => json.checks.store === 'ok',
  );
  const lock = holdStoreFile(join(system.dataDir, 'store.db'));
  t.after(() => lock.close());
  const id = await submit(url);
  await followToEnd(url, id);

  let stopping = false;
  const refused = Promise.withResolvers<void>();
  const statuses = new Set<number>();
  const writers = Array.from({ length: 20 }, async () => {
    while (!stopping) {
      const status = await fetch(`${url}/api/chat/sessions`, { method: 'POST' }).then(
        (response) => response.status,
        () => 0,
      );
      statuses.add(status);
      if (status === 503) refused.resolve();
    }
  });
  // From then on others wait in the store.
  await refused.promise;
  stopping = true;
  for (const program of [...apis, ...relays]) {
    const machine = watchMachine(t);
    const since = performance.now();
    await program.signal('SIGTERM');
    const tookMs = Math.round(performance.now() - since);
    const machineMs = machine.stop();
    assert.deepEqual([program.child.exitCode, program.child.signalCode], [0, null]);
    assert.ok(tookMs <= END_MS + machineMs, `${tookMs} ms, of which ${machineMs} ms are the machine's`);
  }
  await Promise.all(writers);
  assert.ok(!statuses.has(201), 'nothing was written meanwhile');

  lock.exec('ROLLBACK');
  await system.startRelay();
  await until('the store has it', () => lock.prepare('SELECT 1 FROM tasks WHERE id = ?').get(id) !== undefined);
});
