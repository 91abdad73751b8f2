/** A flood: what the clients of one owner ask of an API, beside which another owner's requests are measured. */
import type { TestRedis } from '../../testing/test-redis.ts';
import type { Bench } from '../bench.ts';
import type { BenchProgram, startApi } from '../program.ts';

export const FLOOD_KEY = 'flood-key-0123456789';
export const QUIET_KEY = 'quiet-key-0123456789';
export const API_KEYS = `flood:${FLOOD_KEY},quiet:${QUIET_KEY}`;

export type Api = { url: string; port: number };
type BenchApi = Awaited<ReturnType<typeof startApi>>;

/** What a flood is prepared in: an API, and what else of the system it may need for that. */
export type Place = {
  bench: Bench;
  api: BenchApi;
  redis: TestRedis;
  env: Record<string, string>;
  flooder: BenchProgram;
};

/** `requests` are asked for in turn by so many clients. */
type Asked = { requests: string[]; clients: number; reads: boolean };

export type Flood = {
  name: string;
  /** What its clients do, in a sentence. */
  about: string;
  /** Brings about what it asks for. */
  prepare(place: Place): Promise<Asked>;
};

function request({ port }: Api, key: string, line: string, lines: string[], body: string): string {
  return [`${line} HTTP/1.1`, `Host: 127.0.0.1:${port}`, `Authorization: Bearer ${key}`, ...lines, '', body].join(
    '\r\n',
  );
}

export const postBy = (api: Api, key: string, path: string, json: string) =>
  request(
    api,
    key,
    `POST ${path}`,
    ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(json)}`],
    json,
  );

export const floodGet = (api: Api, path: string) => request(api, FLOOD_KEY, `GET ${path}`, [], '');
export const floodPost = (api: Api, path: string, json: string) => postBy(api, FLOOD_KEY, path, json);
