import { testRedis } from '../test-redis.ts';
import { runPart } from './bench.ts';
import { startApi, startBenchProgram } from './program.ts';
import { benchTasks } from './tasks.ts';
import { setTimeout as delay } from 'node:timers/promises';
await runPart(async ({ open }) => {
  const redis = await open(testRedis());
  const tasks = await open(benchTasks(redis.url));
  const which = process.argv[2];
  process.chdir('/tmp/w/bench-scratch');
  const api: any = which === 'api' ? await open(startApi({ REDIS_URL: redis.url, NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2' }, { settles: true })) : await open(startBenchProgram(which as any, [], {settles: true}));
  const clients = await open(startBenchProgram('sse-clients', [], {}));
  const one = await tasks.running({ messages: [{ role: 'user', content: 'Go on.' }] });
  await clients.ask({ connect: { port: api.port, paths: [`/tasks/${one.ref.id}/events`], readers: 2000 } });
  console.log(await api.settle());
  process.kill(api.pid, 'SIGUSR2');
  await delay(6000);
  return [];
}, {});
