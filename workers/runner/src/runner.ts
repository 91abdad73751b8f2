/**
 * One runner process: consumes its queues, learns of cancels, and hands back what it cannot finish. Stopping spends no
 * failure and loses nothing: it takes no more, lets tasks end for the drain time, then releases the rest.
 */
import type { Environment } from '@beanline/shared/config.ts';
import { AttemptStop } from '@beanline/shared/context.ts';
import type { RunnerDeps } from '@beanline/shared/deps.ts';
import { keepHealthFile } from '@beanline/shared/health-file.ts';
import type { Consumer } from '@beanline/shared/queue/consumer.ts';
import { ANNOUNCE_MS } from '@beanline/shared/queue/presence.ts';
import { runTask } from '@beanline/shared/tasks/run-task.ts';
import { watchAttempts } from './attempts.ts';
import { createBackground } from './background.ts';
import { watchProgress } from './progress.ts';

/** How long handed-back tasks may take to be released after the drain time: their steps in flight are waited for. */
const RELEASE_MS = 6_000;
const CLOSE_MS = 500;
const RETIRE_MS = 100;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function startRunner(deps: RunnerDeps, config: Environment) {
  const { tasks, live, queue, clock, log, catalog } = deps;
  const wanted = config.QUEUES.size > 0 ? [...config.QUEUES.keys()] : [...catalog.keys()];

  const attempts = watchAttempts(deps, stopTask);
  const background = createBackground(deps, wanted, () =>
    consumers.some(({ type, running }) => catalog.get(type)?.background === false && running().length > 0),
  );

  const consumers: Consumer[] = wanted.flatMap((name) => {
    const type = catalog.get(name);
    if (!type) {
      log.warn({ queue: name }, 'QUEUES names a job type that this runner does not know');
      return [];
    }
    return queue.consume({
      type: name,
      concurrency: config.QUEUES.get(name) ?? type.concurrency,
      lockDurationMs: config.LOCK_DURATION_MS,
      dueAt: tasks.dueAt,
      clockOffset: clock.offset,
      log,
      async run(taskId, signal, { isUnmarked = false }) {
        const until = type.background ? await background.stepsBackUntil(taskId) : null;
        if (until !== null) return { until };
        return attempts.hold(taskId, (held) => runTask(deps, { taskId, type: name, signal, isUnmarked, ...held }));
      },
    });
  });
  // A runner that is told nothing leaves the limit that another one set.
  for (const [name, limit] of config.GLOBAL_CONCURRENCY)
    if (catalog.has(name)) await queue.setGlobalConcurrency(name, limit);

  function stopTask(id: string, kind: AttemptStop['kind']) {
    for (const consumer of consumers) consumer.stopTask(id, new AttemptStop(kind));
  }
  await live.onHint((id) => {
    if (id !== null) stopTask(id, 'cancelled');
    else attempts.check();
  });

  const busy = () => consumers.some((consumer) => consumer.running().length > 0);
  /** Without Redis no task can end or be handed back: its lock runs out, and another runner takes it. */
  async function settled(ms: number) {
    const until = performance.now() + ms;
    while (busy() && clock.available() && performance.now() < until) await sleep(20);
  }

  const types = consumers.map(({ type }) => type);
  const said = { worker: deps.worker, types, offers: deps.parts.flatMap((part) => part.offers?.(types) ?? []) };
  const announce = () => deps.presence.announce(said, clock.now()).catch(() => undefined);
  const announcer = setInterval(() => {
    if (clock.available()) void announce();
  }, ANNOUNCE_MS);
  await announce();
  const progress = watchProgress({
    consumers,
    state: deps.queueState,
    available: () => clock.available(),
    timeoutMs: config.PROGRESS_TIMEOUT_MS,
    log,
  });

  const endHealth = keepHealthFile(config.HEALTH_FILE, () => clock.available(), log);
  log.info({ queues: types }, 'the runner is ready');
  return {
    /** Resolves when this process does not get its jobs although they wait, and should be replaced. */
    stuck: progress.stuck,
    async stop() {
      endHealth();
      progress.stop();
      clearInterval(announcer);
      await Promise.race([deps.presence.retire(said).catch(() => undefined), sleep(RETIRE_MS)]);
      await Promise.all(consumers.map((consumer) => consumer.pause()));
      await settled(config.DRAIN_MS);
      for (const consumer of consumers) consumer.abort();
      await settled(RELEASE_MS);
      attempts.stop();
      await Promise.race([Promise.all(consumers.map((consumer) => consumer.close())), sleep(CLOSE_MS)]);
    },
  };
}
