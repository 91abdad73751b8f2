/** What ten thousand runs cost that wait for a person: memory of Redis, and nothing of a runner, of the sweep, of other tasks. */
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { redisCli, testRedis } from '../../testing/test-redis.ts';
import { until } from '../../testing/until.ts';
import type { Bench, BenchPart } from '../bench.ts';
import { NO_LIMITS, startApi, startBenchProgram, startRelay, startRunner } from '../program.ts';
import { median, type Section } from '../report.ts';
import { readTokens } from '../stream-client.ts';

const PARKED = 10_000;
const IN_FLIGHT = 50;
const REST_MS = 4_000;
/** The sweep looks at every task once, some seconds after its submit. */
const SETTLE_MS = 15_000;
const CHATS = 60;
const SAMPLE = 50;

const BODY = JSON.stringify({
  messages: [{ role: 'user', content: 'May I?' }],
  mode: 'pipeline',
  proposal_action: 'custom_spec',
  proposal_pipeline: ['chat'],
  require_approval: true,
});

/** Submits so many, some at once; gives their ids. */
async function submit(url: string, count: number): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(BODY) };
  const one = () =>
    new Promise<string>((resolve, reject) => {
      const outgoing = request(`${url}/api/chat/agentic`, { method: 'POST', agent, headers }, async (incoming) => {
        const text = (await incoming.toArray()).join('');
        if (incoming.statusCode === 202) resolve((JSON.parse(text) as { task_id: string }).task_id);
        else reject(new Error(`a submit was answered ${incoming.statusCode}: ${text}`));
      });
      outgoing.on('error', reject);
      outgoing.end(BODY);
    });
  const ids = await Promise.all(Array.from({ length: count }, one));
  agent.destroy();
  return ids;
}

async function measure({ open, how }: Bench): Promise<Section[]> {
  const upstream = await open(startBenchProgram('upstream', [], how));
  const redis = await open(testRedis({ args: ['--auto-aof-rewrite-percentage', '0'] }));
  const env = { REDIS_URL: redis.url, OPENAI_BASE_URL: `${upstream.url}/v1`, OPENAI_API_KEY: 'bench', ...NO_LIMITS };
  const api = await open(startApi(env, how));
  await open(startRunner(env, how));
  await open(startRelay(env, how));
  const cli = (...args: string[]) => redisCli(Number(new URL(redis.url).port), ...args);
  const numberOf = async (section: string, field: string) =>
    Number(new RegExp(`${field}:(\\d+)`).exec(await cli('info', section))?.[1]);

  async function commandsPerSecond() {
    await delay(SETTLE_MS);
    const before = await numberOf('stats', 'total_commands_processed');
    await delay(REST_MS);
    return ((await numberOf('stats', 'total_commands_processed')) - before) / (REST_MS / 1_000);
  }
  const target = { url: `${api.url}/api/chat`, mark: 'event: text', end: '"usage":{' };
  async function chats() {
    const times: number[] = [];
    for (let i = 0; i < CHATS; i++) times.push((await readTokens(target, 'bench', 5)).firstMs);
    return times;
  }
  const waiting = async () => Number(await cli('zcard', 'bl:{chat.agentic.request}:delayed'));

  await submit(api.url, 50);
  await until('the first runs are parked', async () => (await waiting()) === 50);
  await chats();
  const idle = { first: await chats(), commands: await commandsPerSecond() };
  const empty = await numberOf('memory', 'used_memory');
  const ids = await submit(api.url, PARKED);
  await until('all runs are parked', async () => (await waiting()) === PARKED + 50, 120_000);
  const beside = { first: await chats(), commands: await commandsPerSecond() };
  const each = ((await numberOf('memory', 'used_memory')) - empty) / PARKED;
  let content = 0;
  for (const id of ids.slice(0, SAMPLE))
    for (const kind of ['input', 'log', 'steps'])
      content += Number(await cli('memory', 'usage', `bl:{0}:${kind}:${id}`)) || 0;
  const perTask = content / SAMPLE;
  const kB = (bytes: number) => [bytes / 1_024];
  const ratio = median(beside.first) / median(idle.first);
  return [
    {
      title: `${PARKED.toLocaleString('en')} runs that wait for a person`,
      about: 'Each has asked whether its tool may run. Its content is its input, its events and its finished steps.',
      rows: [
        { name: 'Redis for each, all in all', unit: 'kB', values: kB(each) },
        { name: 'of it beside its content', unit: 'kB', values: kB(each - perTask), goal: { atMost: 8 } },
        { name: 'commands to Redis at rest, none parked', unit: 'per s', values: [idle.commands] },
        { name: 'commands to Redis at rest, all parked', unit: 'per s', values: [beside.commands] },
        { name: 'parked ÷ none', unit: '', values: [beside.commands / idle.commands], goal: { atMost: 1.1 } },
        { name: 'first token of a chat, none parked', unit: 'ms', values: idle.first },
        { name: 'first token of a chat, all parked', unit: 'ms', values: beside.first },
        { name: 'first token: parked ÷ none', unit: '', values: [ratio], goal: { atMost: 1.2 } },
      ],
    },
  ];
}

export const parked: BenchPart = { name: 'parked', measure };
