/** Time to the first token of a model through beanline, beside the other ways of `streams.ts`. */
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { median, type Row, type Section } from '../report.ts';
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

/** The medians of the blocks, in order. */
const medians = (values: number[]) =>
  Array.from({ length: values.length / BLOCK }, (_, block) => median(values.slice(block * BLOCK, (block + 1) * BLOCK)));
const minus = (values: number[], less: number[]) => values.map((value, index) => value - (less[index] ?? Number.NaN));

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
  const added = (values: number[]) => minus(medians(values), medians(direct));
  const rows: Row[] = [
    { name: 'direct: client → upstream', unit: 'ms', values: direct },
    { name: 'proxy: client → Hono + openai → upstream', unit: 'ms', values: proxy },
    { name: 'plain: client → Hono → BullMQ → worker → …', unit: 'ms', values: plain },
    { name: 'beanline: client → API → queue → runner → …', unit: 'ms', values: beanline },
    { name: 'added by the proxy', unit: 'ms', values: added(proxy) },
    { name: 'added by plain', unit: 'ms', values: added(plain) },
    { name: 'added by beanline', unit: 'ms', values: added(beanline) },
    {
      name: 'beanline added ÷ plain added',
      unit: '',
      values: each(added(beanline), added(plain)),
      goal: { atMost: 1.2 },
    },
    { name: 'beanline added ÷ proxy added', unit: '', values: each(added(beanline), added(proxy)) },
  ];
  if (other) {
    rows.push({ name: 'the other checkout', unit: 'ms', values: other });
    rows.push({ name: 'beanline ÷ the other checkout', unit: '', values: each(medians(beanline), medians(other)) });
    rows.push({ name: 'beanline added ÷ the other added', unit: '', values: each(added(beanline), added(other)) });
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
