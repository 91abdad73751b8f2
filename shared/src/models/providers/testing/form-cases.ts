/** The forms in which servers send an answer, and the ways it ends. */
import { type AnswerCase, answer, both, COUNTED, completes, end, piece, sse, stream, used } from './answer-case.ts';

const one = piece({ content: 'one ' });
const two = piece({ content: 'two' });
const whole = {
  id: 'c',
  model: 'm-1',
  choices: [{ index: 0, message: { content: 'one two' }, finish_reason: 'stop' }],
};
export const dresses: AnswerCase[] = [
  completes('json_framed', stream({ ...whole, ...used, choices: whole.choices }, '[DONE]'), { usage: COUNTED }),
  completes('json_as_stream', answer(JSON.stringify(whole))),
  completes('json_pretty', answer(`\n${JSON.stringify({ ...whole, usage: used.usage }, null, 2)}\n`), {
    usage: COUNTED,
  }),
  completes('json_open', answer(JSON.stringify(whole), { ending: 'nothing more comes, the connection stays' })),
  completes('json_list', answer(JSON.stringify([one, two, end()]), { content_type: 'application/json' })),
  completes('json_lines', answer([one, two, end()].map((event) => `${JSON.stringify(event)}\n`).join(''))),
  completes(
    'json_parts',
    answer(JSON.stringify({ choices: [{ message: { content: [{ type: 'text', text: 'one two' }] } }] })),
  ),
  completes('type_json', answer(sse(both, end(), '[DONE]'), { content_type: 'application/json' })),
  completes('type_none', answer(sse(both, end(), '[DONE]'), { content_type: null })),
  completes('type_octets', answer(`: hello\n\n${sse(both, end())}`, { content_type: 'application/octet-stream' })),
  completes('data_blank', answer(`${sse(one)}data: \n\ndata\n\n${sse(two, end())}`)),
  completes(
    'ping_data',
    answer(`event: ping\ndata: {"type":"ping"}\n\n${sse(both)}event: ping\ndata: pong\n\n${sse(end())}`),
  ),
  completes('heartbeat', answer(`${sse(one)}event: heartbeat\ndata: 1\n\n${sse(two, end())}`)),
  completes('done_bare', answer(`${sse(both, end())}data: DONE\n\n`)),
];

const finished = sse(both, end());
export const endings: AnswerCase[] = [
  completes('half_event', answer(`${finished}data: {"choices":[],"usa`)),
  completes('half_event_cut', answer(`${finished}data: {"choi`, { ending: 'the connection is cut' })),
  completes(
    'too_short_a_length',
    answer(finished, { headers: { 'content-length': '9999' }, ending: 'the connection is cut' }),
  ),
  completes('length_cuts', answer(finished, { headers: { 'content-length': String(Buffer.byteLength(finished)) } })),
  completes('usage_then_cut', answer(finished + sse(used), { ending: 'the connection is cut' }), { usage: COUNTED }),
  completes(
    'usage_then_silence',
    answer(finished + sse(used), { ending: 'nothing more comes, the connection stays' }),
    {
      usage: COUNTED,
    },
  ),
  completes('error_after_finish', answer(finished + sse({ error: { message: 'zebra' } })), {
    output: { finish_reason: 'stop' },
  }),
  completes(
    'surrogates_apart',
    answer(`${sse(piece({ content: 'one \ud83e' }), piece({ content: '' }), piece({ content: '\uded8' }), end())}`),
    {
      content: 'one 🫘',
    },
  ),
  completes('surrogate_alone', stream(piece({ content: 'one \ud83e' }), end()), { content: 'one \ufffd' }),
];
