/** Tokens per second of one long stream through beanline, beside the other ways of `streams.ts`. */
import { type Bench, type BenchPart, each, inTurns } from '../bench.ts';
import { spending } from '../processor-time.ts';
import type { Row, Section } from '../report.ts';
import { readTokens, type Target } from '../stream-client.ts';
import { ABOUT_WAYS, startWays, type Ways } from '../streams.ts';

const ROUNDS = 11;
const WARM_UPS = 3;
const TOKENS = 20_000;
const REST_MS = 50;

/** With the model `joined` the upstream puts 50 tokens into a write. */
async function rates(ways: Ways, model: 'bench' | 'joined'): Promise<Row[]> {
  const rate = (target: Target) => async () => {
    const { wholeMs, words } = await readTokens(target, model, TOKENS);
    if (words !== TOKENS) throw new Error(`${target.url} gave ${words} of ${TOKENS} tokens`);
    return (1_000 * TOKENS) / wholeMs;
  };
  const spent = { beanline: [] as number[], other: [] as number[] };
  const { direct, proxy, plain, beanline, other } = await inTurns(
    {
      direct: rate(ways.direct),
      proxy: rate(ways.proxy),
      plain: rate(ways.plain),
      beanline: spending(ways.beanline.pids, spent.beanline, rate(ways.beanline)),
      ...(ways.other && { other: spending(ways.other.pids, spent.other, rate(ways.other)) }),
    },
    { rounds: ROUNDS, warmUps: WARM_UPS, restMs: REST_MS },
  );
  const goal = <Goal>(value: Goal) => (model === 'bench' ? { goal: value } : {});
  const rows: Row[] = [
    { name: 'direct', unit: 'tokens/s', values: direct },
    { name: 'proxy', unit: 'tokens/s', values: proxy },
    { name: 'plain', unit: 'tokens/s', values: plain },
    { name: 'beanline', unit: 'tokens/s', values: beanline },
    { name: 'beanline ÷ plain', unit: '', values: each(beanline, plain), ...goal({ atLeast: 2 }) },
    { name: 'beanline ÷ direct', unit: '', values: each(beanline, direct), ...goal({ atLeast: 0.4 }) },
    { name: 'beanline ÷ proxy', unit: '', values: each(beanline, proxy) },
  ];
  if (other) {
    rows.push({ name: 'the other checkout', unit: 'tokens/s', values: other });
    rows.push({ name: 'beanline ÷ the other checkout', unit: '', values: each(beanline, other) });
    const seconds = each(spent.beanline.slice(-ROUNDS), spent.other.slice(-ROUNDS));
    rows.push({ name: 'processor time ÷ the other’s', unit: '', values: seconds });
  }
  return rows;
}

async function measure(bench: Bench): Promise<Section[]> {
  const ways = await startWays(bench);
  return [
    {
      title: `Relayed tokens, ${TOKENS} in one stream, a write each`,
      about: ABOUT_WAYS,
      rows: await rates(ways, 'bench'),
    },
    {
      title: 'The same, 50 tokens a write: what the relaying itself allows',
      rows: await rates(ways, 'joined'),
    },
  ];
}

export const relayed: BenchPart = { name: 'relayed', pairs: true, measure };
