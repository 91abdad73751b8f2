/** Answers that are none: failures in every dress, and what somebody forbade. */
import {
  type AnswerCase,
  answer,
  both,
  busy,
  completes,
  end,
  piece,
  refused,
  sse,
  stream,
  used,
} from './answer-case.ts';

const half = piece({ content: 'The first half' });
const whole = {
  id: 'c',
  model: 'm-1',
  choices: [{ index: 0, message: { content: 'one two' }, finish_reason: 'stop' }],
};
export const failures: AnswerCase[] = [
  ...['network_error', 'insufficient_system_resource', 'abort', 'ERROR', 'failed'].map((reason) =>
    busy(`finish_${reason}`, stream(half, end(reason), '[DONE]')),
  ),
  busy(
    'finish_error_in_json',
    answer(JSON.stringify({ choices: [{ message: { content: 'x' }, finish_reason: 'error' }] })),
  ),
  busy('error_beside', stream(half, { ...piece({ content: '' }), error: { message: 'zebra' } }, '[DONE]')),
  busy('error_in_delta', stream(half, piece({ error: { message: 'zebra' } }), '[DONE]')),
  busy('error_detail', stream({ detail: 'Internal zebra' })),
  busy('error_detail_list', stream(half, { detail: [{ msg: 'zebra' }] }, '[DONE]')),
  busy('error_errors', stream({ errors: [{ message: 'zebra' }] }, '[DONE]')),
  busy('error_base_resp', stream({ base_resp: { status_code: 1013, status_msg: 'zebra' }, choices: null }, '[DONE]')),
  busy('error_base_resp_late', stream(half, { ...piece({}), base_resp: { status_code: 1000 } }, '[DONE]')),
  busy('error_groq', stream(half, { ...piece({}), x_groq: { id: 'r', error: 'over_capacity' } }, '[DONE]')),
  busy('error_code_words', stream({ error_code: 336100, error_msg: 'zebra' })),
  busy('error_json', answer('{"code":"InternalError","message":"zebra"}', { content_type: 'application/json' })),
  busy('error_json_list', answer('[{"error":{"code":"x","message":"zebra"}}]')),
  busy('error_event', answer(`${sse(half)}event: error\ndata: {"message":"zebra"}\n\n`)),
  busy('nothing_role', stream(piece({ role: 'assistant' }), '[DONE]')),
  busy('nothing_usage', stream(used, '[DONE]')),
  busy('nothing_stop', stream(piece({ role: 'assistant', content: '' }), end(), used, '[DONE]')),
  busy('nothing_thought', stream(piece({ reasoning_content: 'hm' }), end(), used, '[DONE]')),
  busy('nothing_blank', stream(piece({ content: ' \n' }), end(), '[DONE]')),
  busy('nothing_json', answer(JSON.stringify({ choices: [{ message: { content: '' }, finish_reason: 'stop' }] }))),
  busy('nothing_choices', answer('{"choices":[]}', { content_type: 'application/json' })),
  busy('cut_in_text', answer(sse(half), { ending: 'the connection is cut' })),
  busy('cut_json', answer(JSON.stringify(whole).slice(0, -9), { content_type: 'application/json' })),
  completes('base_resp_fine', stream({ ...both, base_resp: { status_code: 0, status_msg: '' } }, end())),
  completes('error_null', stream({ ...both, error: null }, { ...end(), error: {} })),
];

export const forbidden: AnswerCase[] = [
  refused('filter_stop', stream(piece({ content: '' }), end('content_filter'), '[DONE]'), /filtered/),
  refused('filter_other', stream(end('SAFETY'), '[DONE]'), /filtered/),
  refused('filter_cut', answer(sse(end('content_filter')), { ending: 'the connection is cut' }), /filtered/),
  completes('filter_after_text', stream(both, end('content_filter'), '[DONE]'), {
    output: { finish_reason: 'content_filter' },
  }),
  completes('refusal', stream(piece({ refusal: 'one ' }), piece({ refusal: 'two' }), end(), '[DONE]'), {
    output: { finish_reason: 'refusal' },
  }),
  completes(
    'refusal_json',
    answer(JSON.stringify({ choices: [{ message: { content: null, refusal: 'one two' }, finish_reason: 'stop' }] })),
    {
      output: { finish_reason: 'refusal' },
    },
  ),
  refused('no_room', stream(piece({ reasoning_content: 'hm' }), end('length'), used, '[DONE]'), /more max_tokens/),
];
