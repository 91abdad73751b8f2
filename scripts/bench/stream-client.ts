/** A reader of streams that costs little: it looks for marks in the bytes and parses nothing. */
import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true });

export type Target = {
  url: string;
  /** What the first token's event has in its bytes. */
  mark: string;
  /** What stands in the bytes of a stream that came to its end. */
  end: string;
};

export type Streamed = {
  /** From the request to the first token. */
  firstMs: number;
  /** From the request to the end of the response. */
  wholeMs: number;
  /** Words of text, to check that nothing is missing. */
  words: number;
};

/** Asks for a stream of `tokens` tokens and reads it to its end. */
export function readTokens({ url, mark, end }: Target, model: string, tokens: number): Promise<Streamed> {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Go on.' }], max_tokens: tokens });
  const headers = { 'Content-Type': 'application/json', Accept: 'text/event-stream' };
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let firstMs = 0;
    const startedAt = performance.now();
    const outgoing = request(url, { method: 'POST', agent, headers }, (incoming) => {
      incoming.on('error', reject);
      incoming.on('data', (bytes: Buffer) => {
        if (firstMs === 0 && bytes.includes(mark)) firstMs = performance.now() - startedAt;
        parts.push(bytes);
      });
      incoming.on('end', () => {
        const wholeMs = performance.now() - startedAt;
        const text = Buffer.concat(parts).toString();
        const tail = text.slice(-2_000);
        if (incoming.statusCode !== 200 || !tail.includes(end)) return reject(new Error(`${url} broke: ${tail}`));
        resolve({ firstMs, wholeMs, words: countWords(text) });
      });
    });
    outgoing.on('error', reject);
    outgoing.setNoDelay();
    outgoing.end(body);
  });
}

/** The words of the `content` of text events; the `done` of beanline repeats the whole text and does not count. */
function countWords(text: string): number {
  let words = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith('data: ') || line.includes('"type":"done"')) continue;
    words += line.split('word ').length - 1;
  }
  return words;
}
