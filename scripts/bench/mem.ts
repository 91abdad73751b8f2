import { testRedis } from '../test-redis.ts';
import { runPart } from './bench.ts';
import { startApi, startBenchProgram } from './program.ts';
import { benchTasks } from './tasks.ts';
import { readFileSync } from 'node:fs';
await runPart(async ({ open }) => {
  const redis = await open(testRedis());
  const tasks = await open(benchTasks(redis.url));
  const one = await tasks.running({ messages: [{ role: 'user', content: 'Go on.' }] });
  for (const which of process.argv.slice(2)) {
  const api: any = which === 'api' ? await open(startApi({ REDIS_URL: redis.url, DRAIN_MS: '0' }, { settles: true, profileDir: process.env.PROF })) : await open(startBenchProgram(which as any, [], {settles: true}));
  const clients = await open(startBenchProgram('sse-clients', [], {}));
  const paths=[`/tasks/${one.ref.id}/events`];
  for (let i=0;i<2;i++) { await clients.ask({ connect: { port: api.port, paths, readers: 500 } }); await clients.ask({disconnect:true}); }
  const a: any = await api.settle();
  const cpu = () => readFileSync(`/proc/${api.pid}/stat`,'utf8').split(') ')[1].split(' ').slice(11,13).map(Number).reduce((x,y)=>x+y)*10;
  const c0=cpu();
  await clients.ask({ connect: { port: api.port, paths, readers: 10000 } });
  const c1=cpu();
  const b: any = await api.settle();
  console.log(which, 'connect cpu', c1-c0, Object.fromEntries(Object.keys(a).map(k=>[k,((b[k]-a[k])/10000/1000).toFixed(2)])), 'start', (a.rss/1e6).toFixed(0),(a.heapTotal/1e6).toFixed(0),(a.heap/1e6).toFixed(0), 'end', (b.rss/1e6).toFixed(0), (b.heapTotal/1e6).toFixed(0));
  let n=0;
  const walls: number[]=[]; const c2=cpu();
  for (let i=0;i<+(process.env.EV??20);i++) { const content=`event ${++n};`; await clients.ask({expect: content, ms: 20000}); const last=clients.next<string>(); const t=process.hrtime.bigint(); if (which==='api') await one.say(content); else api.tell({event: content}); walls.push(Number(BigInt(await last)-t)/1e6); await new Promise(r=>setTimeout(r,100)); }
  walls.sort((x,y)=>x-y);
  console.log('  fan-out cpu ms per event', (cpu()-c2)/+(process.env.EV??20), 'wall min/med/max', walls[0].toFixed(0), walls[10].toFixed(0), walls[19].toFixed(0));
  await api.stop();
  }
  return [];
}, {});
