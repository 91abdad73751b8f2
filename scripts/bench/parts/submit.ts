/** What a submit costs beside the one of what people would build instead, the BullMQ add alone, and an API that does nothing. */
import { testRedis } from '../../testing/test-redis.ts';
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { chatRequest, httpLoad } from '../http-load.ts';
import { redisPid, spending } from '../processor-time.ts';
import { type How, NO_LIMITS, startApi, startBenchProgram } from '../program.ts';
import type { Row, Section } from '../report.ts';

/** Requests, or adds, under way at once. */
const IN_FLIGHT = 100;
/** Many and short: what else the machine does then falls on all alike. */
const ROUNDS = 16;
const ROUND_MS = 500;
/** Until the programs run the code that their compilers end up with. */
const WARM_UPS = 8;

async function measure({ open, how, other }: Bench): Promise<Section[]> {
  const post =
    ({ port }: { port: number }) =>
    () =>
      httpLoad({ port, request: () => chatRequest(port), status: 202, forMs: ROUND_MS, inFlight: IN_FLIGHT });
  const spent = { beanline: [] as number[], other: [] as number[] };
  async function postToBeanline(how: How, seconds: number[]) {
    const redis = await open(testRedis());
    const api = await open(startApi({ REDIS_URL: redis.url, ...NO_LIMITS }, how));
    return spending([api.pid, await redisPid(redis)], seconds, post(api));
  }

  const rawRedis = await open(testRedis());
  const plainRedis = await open(testRedis());
  const rawAdd = await open(startBenchProgram('raw-add', [rawRedis.url, String(IN_FLIGHT)], how));
  const rates = await inTurns(
    {
      beanline: await postToBeanline(how, spent.beanline),
      ...(other && { other: await postToBeanline(other, spent.other) }),
      plain: post(await open(startBenchProgram('plain-api', [plainRedis.url], how))),
      add: () => rawAdd.ask<number>(ROUND_MS),
      bare: post(await open(startBenchProgram('bare', [], how))),
    },
    { rounds: ROUNDS, warmUps: WARM_UPS, restMs: 50 },
  );
  const rows: Row[] = [
    { name: 'beanline: POST /api/chat', unit: 'per s', values: rates.beanline },
    { name: 'plain: Hono, queue.add, a status hash', unit: 'per s', values: rates.plain },
    { name: 'BullMQ queue.add alone', unit: 'per s', values: rates.add },
    { name: 'bare Hono: parse, 202', unit: 'per s', values: rates.bare },
    { name: 'beanline ÷ plain', unit: '', values: each(rates.beanline, rates.plain), goal: { atLeast: 0.8 } },
    { name: 'beanline ÷ queue.add', unit: '', values: each(rates.beanline, rates.add) },
    { name: 'beanline ÷ bare Hono', unit: '', values: each(rates.beanline, rates.bare) },
  ];
  if (rates.other) {
    rows.push({ name: 'the other checkout', unit: 'per s', values: rates.other });
    rows.push({ name: 'beanline ÷ the other checkout', unit: '', values: each(rates.beanline, rates.other) });
    const perSubmit = (seconds: number[], rate: number[]) => each(seconds.slice(-ROUNDS), rate);
    const ratio = each(perSubmit(spent.beanline, rates.beanline), perSubmit(spent.other, rates.other));
    rows.push({ name: 'processor time of a submit ÷ the other’s', unit: '', values: ratio });
  }
  return [
    {
      title: `Submit, ${IN_FLIGHT} in flight`,
      about:
        'Keep-alive connections that post chats with nobody running them: to beanline, to what people would build instead (Hono, the job’s data in `queue.add`, a hash with the status), and to an API that does nothing. Beside it BullMQ adds jobs from one process.',
      rows,
    },
  ];
}

export const submit: BenchPart = { name: 'submit', pairs: true, measure };
