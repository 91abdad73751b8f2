/** Relays in the test's own process, on the Redis of a test and a store of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { readConfig } from '@beanline/shared/config.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import type { Catalog } from '@beanline/shared/job-type.ts';
import type { Part } from '@beanline/shared/part.ts';
import { withParts } from '@beanline/shared/parts.ts';
import type { ArchivedTask, PutEnds, TaskStore } from '@beanline/shared/store.ts';
import { wire } from '@beanline/shared/wire.ts';
import { startRelay } from '../../workers/relay/src/relay.ts';
import { PATIENT } from './patient.ts';
import { silentLog, type TaskRedis, taskRedis } from './task-redis.ts';

/** What a relay put into the store, and when that had acknowledged it (ms, Redis TIME). */
type Put = { tasks: ArchivedTask[]; at: number };

/** Starts the file's Redis before its first test and gives the `setup` of its tests. */
export function taskRelay() {
  const base = taskRedis();

  return function setup(t: TestContext, given: { partitions?: number } = {}) {
    const at: TaskRedis = base(t, given);
    const dataDir = mkdtempSync(join(tmpdir(), 'beanline-test-'));
    const opened: (() => Promise<void>)[] = [];
    t.after(async () => {
      for (const close of opened.reverse()) await close();
      rmSync(dataDir, { recursive: true, force: true });
    });
    const puts: Put[] = [];

    async function program(name: 'api' | 'relay', env: Record<string, string> = {}, catalog?: Catalog) {
      const config = readConfig({
        ...PATIENT,
        REDIS_URL: at.server.url,
        KEY_PREFIX: at.keys.prefix,
        DATA_DIR: dataDir,
        PARTITIONS: String(given.partitions ?? 1),
        SWEEP_INTERVAL_MS: '50',
        TASK_RETENTION_MS: '1000',
        ...env,
      });
      const { deps, close } = wire(config, { program: name, log: silentLog, ...(catalog ? { catalog } : {}) });
      opened.push(close);
      await deps.clock.ready();
      return { deps, config };
    }

    return {
      ...at,
      puts,
      /** The tasks of all puts, each where it first came: one whose put was not confirmed is put again. */
      putIds: () => [...new Set(puts.flatMap(({ tasks }) => tasks.map(({ record }) => record.id)))],
      dataDir,
      program,
      /** Starts a relay; `put` may stand before the store's own, `over` changes what else it has. Gives how to stop it. */
      async relay(
        env: Record<string, string> = {},
        put?: (real: TaskStore['put'], tasks: ArchivedTask[]) => Promise<PutEnds>,
        over: (deps: Deps) => Deps = (deps) => deps,
        parts: ((deps: Deps) => Part)[] = [],
      ) {
        const { deps, config } = await program('relay', env);
        const real = deps.store.tasks.put;
        const noting = async (tasks: ArchivedTask[]) => {
          const ends = await (put ? put(real, tasks) : real(tasks));
          puts.push({ tasks, at: await at.now() });
          return ends;
        };
        const store = { ...deps.store, tasks: { ...deps.store.tasks, put: noting } };
        const relay = startRelay(withParts(over({ ...deps, store }), parts), config);
        opened.push(relay.stop);
        return { stop: relay.stop, deps };
      },
      /** A task that has ended, with one piece of text. */
      async ended(over: Parameters<TaskRedis['create']>[0] = {}, text = '{"content":"a"}') {
        const { ref, lastId } = await at.running(over);
        await at.tasks.append(ref, lastId, [{ id: '1-2', type: 'text', data: text }]);
        await at.tasks.finish(ref, at.ending('1-2'));
        return { id: ref.id, endedAt: Number((await at.record(ref.id)).ended_at) };
      },
    };
  };
}
