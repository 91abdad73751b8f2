/** Where servers put the text of an answer, their thoughts and their counts. */
import { type AnswerCase, both, COUNTED, completes, end, piece, stream, used } from './answer-case.ts';

const one = piece({ content: 'one ' });
const two = piece({ content: 'two' });
const thought = (delta: unknown) => stream(piece(delta), both, end(), used, '[DONE]');

export const contents: AnswerCase[] = [
  completes('content_object', stream(piece({ content: { type: 'text', text: 'one two' } }), end(), '[DONE]')),
  completes('content_strings', stream(piece({ content: ['one ', { type: 'output_text', text: 'two' }] }), end())),
  completes('content_value', stream(piece({ content: [{ type: 'text', text: { value: 'one two' } }] }), end())),
  completes('content_null', stream(piece({ role: 'assistant', content: null }), both, end())),
  completes('thought_field', thought({ reasoning_content: 'hm' }), { reasoning: 'hm', usage: COUNTED }),
  completes('thought_other_field', thought({ content: '', reasoning: 'hm' }), { reasoning: 'hm' }),
  completes('thought_object', thought({ reasoning: { content: 'hm' } }), { reasoning: 'hm' }),
  completes(
    'thought_twice',
    thought({ reasoning: 'hm', reasoning_details: [{ type: 'reasoning.text', text: 'hm' }] }),
    {
      reasoning: 'hm',
    },
  ),
  completes('thought_part', thought({ content: [{ type: 'reasoning', text: 'hm' }] }), { reasoning: 'hm' }),
  completes('thought_deep', thought({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] }), {
    reasoning: 'hm',
  }),
  completes('message', stream({ choices: [{ index: 0, message: { role: 'assistant', content: 'one two' } }] })),
  completes(
    'message_each',
    stream({ choices: [{ message: { content: 'one ' } }] }, { choices: [{ message: { content: 'two' } }] }),
  ),
  completes(
    'message_again',
    stream(one, two, { choices: [{ index: 0, message: { content: 'one two' }, finish_reason: 'stop' }] }),
  ),
  completes(
    'text',
    stream({ choices: [{ index: 0, text: 'one ' }] }, { choices: [{ index: 0, text: 'two', finish_reason: 'stop' }] }),
  ),
  completes('choice_object', stream({ choices: { delta: { content: 'one two' }, finish_reason: 'stop' } })),
  completes(
    'choices_out_of_order',
    stream(
      {
        choices: [
          { index: 1, delta: { content: 'no' } },
          { index: 0, delta: { content: 'one ' } },
        ],
      },
      two,
      end(),
    ),
  ),
  completes('choices_of_others', stream({ choices: [{ index: 1, delta: { content: 'no' } }] }, both, end())),
];

const ended = (...usages: unknown[]) =>
  stream(both, end(), ...usages.map((usage) => ({ choices: [], usage })), '[DONE]');
const COUNTS = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 };
export const usages: AnswerCase[] = [
  completes(
    'usage_details',
    ended({
      ...COUNTS,
      prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 2 },
    }),
    { usage: { ...COUNTED, cached_tokens: 4, reasoning_tokens: 2 } },
  ),
  completes('usage_cache_hit', ended({ ...COUNTS, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 1 }), {
    usage: { ...COUNTED, cached_tokens: 4 },
  }),
  completes('usage_details_null', ended({ ...COUNTS, prompt_tokens_details: null }), { usage: COUNTED }),
  completes('usage_wiped', ended(COUNTS, { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }), {
    usage: COUNTED,
  }),
  completes('usage_half_wiped', ended(COUNTS, { prompt_tokens: 5, completion_tokens: 0 }), { usage: COUNTED }),
  completes('usage_wiped_by_null', ended(COUNTS, null), { usage: COUNTED }),
  completes('usage_groq', stream(both, { ...end(), x_groq: { id: 'r', usage: COUNTS } }, '[DONE]'), { usage: COUNTED }),
  completes('usage_in_choice', stream(both, piece({}, { finish_reason: 'stop', usage: COUNTS }), '[DONE]'), {
    usage: COUNTED,
  }),
  completes('usage_total', ended({ total_tokens: 8 }), { usage: { estimated: true } }),
  completes('usage_total_and_null', ended({ prompt_tokens: null, completion_tokens: null, total_tokens: 8 }), {
    usage: { estimated: true },
  }),
];
