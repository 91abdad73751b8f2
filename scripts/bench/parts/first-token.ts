/** Time to the first token of a model through beanline, beside the other ways of `streams.ts`. */
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { added, medians } from '../blocks.ts';
import type { Row, Section } from '../report.ts';
import { readTokens, type Target } from '../stream-client.ts';
import { ABOUT_WAYS, startWays } from '../streams.ts';

const REQUESTS = 200;
/** Until the programs run the code that their compilers end up with; it takes them hundreds of requests. */
const WARM_UPS = 300;
const TOKENS = 5;
/** Lets every process come to rest before the next request, as on a machine that is not saturated. */
const REST_MS = 10;
/** What a way adds is a difference of medians: of so many requests each. */
const BLOCK = 40;

async function measure(bench: Bench): Promise<Section[]> {
  const ways = await startWays(bench);
  const first = (target: Target) => async () => (await readTokens(target, 'bench', TOKENS)).firstMs;
  const { direct, proxy, plain, beanline, other } = await inTurns(
    {
      direct: first(ways.direct),
      proxy: first(ways.proxy),
      plain: first(ways.plain),
      beanline: first(ways.beanline),
      ...(ways.other && { other: first(ways.other) }),
    },
    { rounds: REQUESTS, warmUps: WARM_UPS, restMs: REST_MS },
  );
  const addedTo = (values: number[]) => added(values, direct, BLOCK);
  const rows: Row[] = [
    { name: 'direct: client → upstream', unit: 'ms', values: direct },
    { name: 'proxy: client → Hono + openai → upstream', unit: 'ms', values: proxy },
    { name: 'plain: client → Hono → BullMQ → worker → …', unit: 'ms', values: plain },
    { name: 'beanline: client → API → queue → runner → …', unit: 'ms', values: beanline },
    { name: 'added by the proxy', unit: 'ms', values: addedTo(proxy) },
    { name: 'added by plain', unit: 'ms', values: addedTo(plain) },
    { name: 'added by beanline', unit: 'ms', values: addedTo(beanline) },
    {
      name: 'beanline added ÷ plain added',
      unit: '',
      values: each(addedTo(beanline), addedTo(plain)),
      goal: { atMost: 1.2 },
    },
    { name: 'beanline added ÷ proxy added', unit: '', values: each(addedTo(beanline), addedTo(proxy)) },
  ];
  if (other) {
    rows.push({ name: 'the other checkout', unit: 'ms', values: other });
    rows.push({
      name: 'beanline ÷ the other checkout',
      unit: '',
      values: each(medians(beanline, BLOCK), medians(other, BLOCK)),
    });
    rows.push({ name: 'beanline added ÷ the other added', unit: '', values: each(addedTo(beanline), addedTo(other)) });
  }
  return [
    {
      title: 'Time to the first token, one request at a time',
      about: `From the request to the first token in the response. What a way adds is its median minus that of a direct call, over ${REQUESTS / BLOCK} blocks of ${BLOCK} requests. ${ABOUT_WAYS}`,
      rows,
    },
  ];
}

export const firstToken: BenchPart = { name: 'first-token', pairs: true, measure };
