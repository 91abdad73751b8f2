/** The hub on the Redis of a test: readers and a writer of one task, and messages that get lost. */
import type { TestContext } from 'node:test';
import { type Frame, START } from '@beanline/shared/event.ts';
import { createLive } from '@beanline/shared/live/live.ts';
import type { AttemptRef } from '@beanline/shared/record/task-verdicts.ts';
import { parseRedisUrl } from '@beanline/shared/redis/address.ts';
import { connect } from '@beanline/shared/redis/connect.ts';
import { followTask } from '@beanline/shared/tasks/follow-task.ts';
import { silentLog, taskRedis } from './task-redis.ts';

export const ids = (frames: { id: string }[]) => frames.map(({ id }) => id);

/** Starts the file's Redis before its first test and gives the `setup` of its tests. */
export function taskLive() {
  const base = taskRedis();

  return function setup(t: TestContext) {
    const at = base(t);
    const subscriber = connect(parseRedisUrl(at.server.url), { name: 'live', for: 'worker', log: silentLog });
    let looks = 0;
    const reads = {
      ...at.tasks,
      lastIds(ids: string[]) {
        looks++;
        return at.tasks.lastIds(ids);
      },
    };
    const live = createLive({ subscriber, publisher: at.redis, keys: at.keys, partitions: 1, reads, log: silentLog });
    const stop = new AbortController();
    t.after(() => {
      stop.abort();
      live.stop();
      subscriber.disconnect();
    });

    return {
      ...at,
      live,
      subscriber,
      reads,
      /** How often the end of a log was asked for: by the check of a silent task, and by a reader that finds no more. */
      looks: () => looks,
      signal: stop.signal,
      /** Follows to the end; gives what it got until now, and the looks there had been when each frame came. */
      reader(id: string, after = START) {
        const frames: Frame[] = [];
        const looked: number[] = [];
        const ended = (async () => {
          for await (const batch of followTask({ live }, { id }, after, stop.signal)) {
            frames.push(...batch);
            for (const _ of batch) looked.push(looks);
          }
        })();
        return { frames, looked, ended };
      },
      /** Appends one event after another, each `next` with so many bytes of text. */
      writer(ref: AttemptRef, lastId: string) {
        let last = lastId;
        let seq = Number(lastId.split('-')[1]);
        return {
          last: () => last,
          async next(bytes = 10, count = 1) {
            const entries = Array.from({ length: count }, () => ({
              id: `${ref.attempt}-${++seq}`,
              type: 'text',
              data: JSON.stringify({ content: 'x'.repeat(bytes) }),
            }));
            await at.tasks.append(ref, last, entries);
            last = `${ref.attempt}-${seq}`;
          },
          /** An event as append writes it, whose live message is lost. */
          async unheard() {
            const id = `${ref.attempt}-${++seq}`;
            await at.redis.xadd(
              at.keys.log(0, ref.id),
              id,
              'type',
              'text',
              'at',
              1,
              'prev',
              last,
              'data',
              '{"content":""}',
            );
            await at.redis.hset(at.keys.task(0, ref.id), 'last_id', id);
            last = id;
          },
          finish: () => at.tasks.finish(ref, at.ending(last)),
        };
      },
      async logReads(): Promise<number> {
        const stats = await at.redis.info('commandstats');
        return Number(/cmdstat_xrange:calls=(\d+)/.exec(stats)?.[1] ?? 0);
      },
      async subscribers(id: string): Promise<number> {
        return Number((await at.server.cli('PUBSUB', 'SHARDNUMSUB', at.keys.live(0, id))).split('\n')[1]);
      },
    };
  };
}
