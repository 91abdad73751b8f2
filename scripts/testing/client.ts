/** A client of the HTTP API, as tests use it. It follows events and checks what every reader may rely on. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { compareIds } from '@beanline/shared/event.ts';
import { createParser } from 'eventsource-parser';
import { HANG_MS } from './until.ts';

export type ClientEvent = {
  id: string;
  type: string;
  attempt: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever an event holds
  data: any;
};

/** A chat whose text is `content`. */
export const chat = (content = 'hello', more: Record<string, unknown> = {}) => ({
  messages: [{ role: 'user', content }],
  ...more,
});

/** A request to an agent that runs these tools, one after the other. */
export const pipelineOf = (...tools: string[]) =>
  chat('What is it on Monday?', { proposal_action: 'custom_spec', proposal_pipeline: tools });

export async function post(url: string, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever an answer holds
  return { status: response.status, headers: response.headers, text, json: (text ? JSON.parse(text) : null) as any };
}

/** How long a test's client goes on asking an API that tells it to come back. */
const PATIENCE_MS = HANG_MS;

/**
 * Asks as a faithful client does: after 503 with Retry-After, by which nothing was accepted, again when it says. On a busy
 * machine a healthy Redis may get no processor for so long that it counts as away; a test of refusals uses `post`.
 */
async function patiently<T extends Pick<Response, 'status' | 'headers'>>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + PATIENCE_MS; ; ) {
    const answer = await ask();
    const retryAfter = answer.headers.get('retry-after');
    if (answer.status !== 503 || retryAfter === null || performance.now() > deadline) return answer;
    await delay(Number(retryAfter) * 1_000);
  }
}

/** Submits and gives the task id; anything but 202 throws. */
export async function submit(url: string, body: unknown = chat(), path = '/api/chat'): Promise<string> {
  const { status, json, text } = await patiently(() => post(url, path, body));
  assert.equal(status, 202, text);
  return json.task_id;
}

export async function getTask(url: string, id: string, query = '') {
  const response = await patiently(() => fetch(`${url}/tasks/${id}${query}`));
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever a task holds
  return { status: response.status, headers: response.headers, json: (await response.json()) as any };
}

/** Events of one connection, in order; ends with the response. A broken connection throws. */
export async function* readStream(response: Response): AsyncGenerator<ClientEvent> {
  const events: ClientEvent[] = [];
  const parser = createParser({
    onEvent({ id, event, data }) {
      const { attempt, data: inner } = JSON.parse(data);
      events.push({ id: id ?? '', type: event ?? '', attempt, data: inner });
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* events.splice(0);
  }
}

/** One connection to a task's events. */
export async function* events(
  url: string,
  id: string,
  after?: string,
  signal?: AbortSignal,
): AsyncGenerator<ClientEvent> {
  const headers: Record<string, string> = after === undefined ? {} : { 'Last-Event-ID': after };
  const response = await patiently(() =>
    fetch(`${url}/tasks/${id}/events`, { headers, ...(signal ? { signal } : {}) }),
  );
  if (response.status === 204) return;
  assert.equal(response.status, 200);
  yield* readStream(response);
}

/**
 * All events of a task as a faithful client gets them: reconnects with the last id it saw until `done`. `dropEvery`
 * cuts the connection itself after that many events. Gives up after `timeoutMs`.
 */
export async function followToEnd(
  url: string | (() => string),
  id: string,
  {
    dropEvery = Number.POSITIVE_INFINITY,
    timeoutMs = HANG_MS,
    after,
  }: { dropEvery?: number; timeoutMs?: number; after?: string } = {},
): Promise<ClientEvent[]> {
  const seen: ClientEvent[] = [];
  const deadline = AbortSignal.timeout(timeoutMs);
  while (!deadline.aborted) {
    const cut = new AbortController();
    let count = 0;
    try {
      const base = typeof url === 'string' ? url : url();
      for await (const event of events(base, id, seen.at(-1)?.id ?? after, AbortSignal.any([cut.signal, deadline]))) {
        seen.push(event);
        if (event.type === 'done') return seen;
        if (++count >= dropEvery) break;
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      cut.abort();
    }
  }
  throw new Error(`no done of ${id} within ${timeoutMs} ms; last seen ${JSON.stringify(seen.at(-1))}`);
}

/**
 * What a client has of the log, whatever a failover lost: a `gap` that goes back to an earlier event took back what came
 * after that one, which may then come again.
 */
export function asLogged(seen: ClientEvent[]): ClientEvent[] {
  let kept: ClientEvent[] = [];
  for (const event of seen) {
    if (event.type === 'gap') kept = kept.filter(({ id }) => compareIds(id, event.data.to) <= 0);
    else kept.push(event);
  }
  return kept;
}

/** The text a client shows at the end: pieces that a `gap` took back, or a `retrying` or `waiting` discarded, are dropped. */
export function visibleText(all: ClientEvent[]): string {
  const seen = asLogged(all);
  const discarded = new Set(
    seen.filter(({ type, data }) => /^(retrying|waiting)$/.test(type) && data.discard).map(({ attempt }) => attempt),
  );
  return seen
    .filter(({ type, attempt, data }) => type === 'text' && data.tool === undefined && !discarded.has(attempt))
    .map(({ data }) => data.content)
    .join('');
}

/** What holds for every ended task: strictly rising ids, one `done` and it last, the stream equal to the log. */
export async function checkEnded(url: string, id: string, seen: ClientEvent[]): Promise<void> {
  const replay: ClientEvent[] = [];
  for await (const event of events(url, id)) replay.push(event);
  assert.deepEqual(seen, replay, 'what the reader saw is the log');
  assert.equal(new Set(seen.map((event) => event.id)).size, seen.length, 'no id twice');
  assert.equal(seen.filter(({ type }) => type === 'done').length, 1, 'exactly one done');
  assert.equal(seen.at(-1)?.type, 'done');
  for (const [index, event] of seen.entries()) {
    const before = seen[index - 1];
    if (!before) continue;
    const [attempt = 0, seq = 0] = event.id.split('-').map(Number);
    const [lastAttempt = 0, lastSeq = 0] = before.id.split('-').map(Number);
    assert.ok(
      attempt === lastAttempt ? seq === lastSeq + 1 : attempt > lastAttempt && seq === 1,
      `${event.id} follows ${before.id}`,
    );
  }
  const { json } = await getTask(url, id);
  assert.equal(json.status, seen.at(-1)?.data.status);
}
