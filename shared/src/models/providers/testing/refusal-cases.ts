/** Calls that are refused, sent on, or taken without one of their parameters. */
import { type AnswerCase, both, completes, end, refusal, refused, stream, used } from './answer-case.ts';

const error = (message: string, more: Record<string, unknown> = {}) => ({ error: { message, ...more } });
const CANARY = 'zebra';
export const refusals: AnswerCase[] = [
  refused('credit', refusal(400, error('Your credit balance is too low')), /no credit left/),
  refused('context_nested', refusal(422, { message: { detail: [{ msg: 'prompt is too long' }] } }), /longer than/),
  refused('context_text', refusal(400, 'the maximum context length is 8'), /longer than/),
  refused('context_event', refusal(400, 'data: {"error":{"code":"context_length_exceeded"}}'), /longer than/),
  refused('other', refusal(418, error(CANARY)), /refused the request \(HTTP 418\)/),
  refused('quota_type', refusal(429, error(CANARY, { type: 'insufficient_quota' })), /no credit left/),
  refused('quota_in_stream', stream({ error: { code: 'insufficient_quota', message: CANARY } }), /no credit left/),
  refused('balance', refusal(403, error('Insufficient balance')), /no credit left/),
  refused('payment', refusal(402, 'no JSON'), /no credit left/),
  refused('key', refusal(400, [error('API key not valid. Please pass a valid API key.', { code: 400 })]), /API key/),
  refused('model', refusal(400, error('The model `x` does not exist', { code: 'model_not_found' })), /this model/),
  refused(
    'context_code',
    refusal(400, error(CANARY, { code: 'context_length_exceeded' })),
    /longer than the model takes/,
  ),
  refused(
    'context_words',
    refusal(400, error('prompt is too long: 9 tokens > 8 maximum')),
    /longer than the model takes/,
  ),
  refused(
    'context_raw',
    refusal(
      400,
      error('Provider returned error', { metadata: { raw: '{"error":{"message":"maximum context length is 8"}}' } }),
    ),
    /longer/,
  ),
  refused('context_413', refusal(413, '<html>too large</html>'), /longer than the model takes/),
  refused('image', refusal(400, error('image_url is only supported by certain models')), /does not take its images/),
  refused('image_404', refusal(404, error('No endpoints found that support image input')), /does not take its images/),
  refused('filter_400', refusal(400, error(CANARY, { code: 'content_filter' })), /content filter/),
  refused('filter_403', refusal(403, error('Input was flagged by moderation')), /content filter/),
  refused('unknown', refusal(400, error(CANARY)), /refused the request \(HTTP 400\)/),
  refused('redirected_away', refusal(302, '', { location: 'http://elsewhere.invalid/v1' }), /another host/),
  refused('redirected_nowhere', refusal(301, ''), /another host/),
  {
    ...refused(
      'value',
      refusal(400, error('temperature must be at most 1', { param: 'temperature' })),
      /value of temperature/,
    ),
    parameters: { temperature: 1.5 },
  },
  {
    ...refused(
      'too_many',
      refusal(400, error('max_tokens is too large: 9', { param: 'max_tokens' })),
      /value of max_tokens/,
    ),
    parameters: { max_tokens: 9 },
  },
];
for (const status of [301, 302, 307]) {
  const http = refusal(status, '', { location: '/moved/v1/chat/completions' });
  refusals.push(completes(`r${status}`, http, { content: 'moved ok' }));
}

const fine = stream(both, end(), used, '[DONE]');
const again = (
  name: string,
  first: AnswerCase['http'],
  parameters: Record<string, unknown>,
  note?: RegExp,
): AnswerCase => ({
  name,
  parameters,
  http: fine,
  calls: [first],
  expect: {
    status: 'completed',
    content: 'one two',
    max_calls: 2,
    ...(note ? { note } : { output: { metadata: undefined } }),
  },
});
export const parameters: AnswerCase[] = [
  again(
    'no_stream_options',
    refusal(400, error("Unknown parameter: 'stream_options'.", { param: 'stream_options' })),
    {},
  ),
  again(
    'no_stream_options_422',
    refusal(422, {
      detail: [
        { type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted', input: {} },
      ],
    }),
    {},
  ),
  again(
    'new_max_tokens',
    refusal(
      400,
      error(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        { param: 'max_tokens', code: 'unsupported_parameter' },
      ),
    ),
    { max_tokens: 9 },
  ),
  again(
    'no_temperature',
    refusal(
      400,
      error(
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
        { param: 'temperature', code: 'unsupported_value' },
      ),
    ),
    { temperature: 0.2 },
    /temperature/,
  ),
  again('no_temperature_1', refusal(400, error("Unsupported parameter: 'temperature'")), { temperature: 1 }),
  again(
    'no_penalty',
    refusal(400, error('frequency_penalty is not supported by this model')),
    { frequency_penalty: 1 },
    /frequency_penalty/,
  ),
];
