/** Names, as a name server of the test's own answers. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { createResolve } from './resolve.ts';

const CODES = { nothing: 3, refuses: 5 };
const TYPES = { A: 1, AAAA: 28 };

/** Answers a question about a name: its address of IPv4, or the code by which it has none; `silent` gets no answer. */
function answerTo(question: Buffer): Buffer | undefined {
  const length = question[12] ?? 0;
  const name = question.toString('latin1', 13, 13 + length).toLowerCase();
  let end = 12;
  while (question[end]) end += (question[end] ?? 0) + 1;
  const asked = question.subarray(12, end + 5);
  const type = question.readUInt16BE(end + 1);
  if (name === 'silent') return undefined;
  const answers = name === 'there' && type === TYPES.A ? 1 : 0;
  const head = Buffer.alloc(12);
  question.copy(head, 0, 0, 2);
  head.writeUInt16BE(0x8180 + (CODES[name as keyof typeof CODES] ?? 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(answers, 6);
  const record = Buffer.from([0xc0, 12, 0, TYPES.A, 0, 1, 0, 0, 0, 0, 0, 4, 93, 184, 215, 14]);
  return Buffer.concat([head, asked, ...(answers ? [record] : [])]);
}

test('a name has its addresses, or none, or nobody could be asked; whoever calls it off does not wait', async (t) => {
  const server = createSocket('udp4');
  server.on('message', (question, { port, address }) => {
    const answer = answerTo(question);
    if (answer) server.send(answer, port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const resolveName = createResolve([`127.0.0.1:${server.address().port}`]);
  const { signal } = new AbortController();
  const ask = (host: string) => resolveName(host, { isNamed: false, signal });
  assert.deepEqual(await ask('there.example'), ['93.184.215.14']);
  assert.deepEqual(await ask('nothing.example'), []);
  assert.deepEqual(await ask('empty.example'), []);
  await assert.rejects(ask('refuses.example'), { code: 'EREFUSED' });

  const off = new AbortController();
  const silent = resolveName('silent.example', { isNamed: false, signal: off.signal });
  server.once('message', () => off.abort());
  await assert.rejects(silent, { code: 'ECANCELLED' });
});
