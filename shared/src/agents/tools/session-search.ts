/** `session_search`: what was said in the owner's earlier conversations. */
import { z } from 'zod';
import { defineTool } from '../tool.ts';

const FoundMessage = z.object({
  session_id: z.string().meta({ description: 'The session it was said in' }),
  title: z.string().nullable().meta({ description: 'The title of that session' }),
  role: z.string().meta({ description: 'Who said it' }),
  text: z.string().meta({ description: 'What was said, around the match' }),
  created_at: z.string().meta({ description: 'When it was said' }),
});

export const sessionSearch = defineTool({
  name: 'session_search',
  title: { en: 'Search conversations', ko: '대화 검색' },
  description:
    "Finds what was said in the user's earlier conversations. Search by the few words that must occur in it, not by a sentence.",
  descriptionKo: '사용자의 이전 대화에서 내용을 찾습니다.',
  intents: ['rag', 'agent', 'chat'],
  priority: 40,
  effect: 'none',
  input: z.strictObject({
    query: z.string().min(1).max(1_000).meta({ description: 'Words that were said' }),
    limit: z.int().min(1).max(50).default(10).meta({ description: 'The most messages that are wanted' }),
  }),
  output: z.object({ messages: z.array(FoundMessage).meta({ description: 'What was found, the best first' }) }),
  argumentsOf: (query) => ({ query: query.slice(0, 1_000) }),
  run: async ({ query, limit }, { searchMessages }) => ({ messages: await searchMessages(query, limit) }),
});
