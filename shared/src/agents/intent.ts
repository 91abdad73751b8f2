/** What a request may want. */
import { z } from 'zod';

export const intents = [
  'chat',
  'rag',
  'web_search',
  'agent',
  'multi_agent',
  'kg',
  'google_drive',
  'google_docs',
  'google_gmail',
  'google_calendar',
  'google_sheets',
  'audio',
  'vision',
  'ocr',
  'code',
  'evaluation',
] as const;

export const Intent = z.enum(intents).meta({ id: 'Intent', description: 'What a request wants' });
export type Intent = z.infer<typeof Intent>;

/** For people, in English and Korean; and for a model, what belongs to it. */
export const intentNames: Record<Intent, { name: string; name_ko: string; means: string }> = {
  chat: {
    name: 'Chat',
    name_ko: '대화',
    means: 'talk, general knowledge, advice, writing, translation; also when nothing else fits',
  },
  rag: {
    name: 'Documents',
    name_ko: '문서 질의응답',
    means: "a question about the user's own documents or files, or a summary of them",
  },
  web_search: {
    name: 'Web search',
    name_ko: '웹 검색',
    means: 'something current or public that has to be looked up on the internet',
  },
  agent: {
    name: 'Agent',
    name_ko: '에이전트',
    means: 'a task of several steps that is to be planned and carried out with tools',
  },
  multi_agent: {
    name: 'Several agents',
    name_ko: '멀티 에이전트',
    means: 'several agents, roles or experts that debate or work together',
  },
  kg: { name: 'Knowledge graph', name_ko: '지식 그래프', means: 'entities, relations and paths of a knowledge graph' },
  google_drive: { name: 'Google Drive', name_ko: '구글 드라이브', means: 'files and folders in Google Drive' },
  google_docs: { name: 'Google Docs', name_ko: '구글 문서', means: 'a document in Google Docs' },
  google_gmail: { name: 'Gmail', name_ko: '지메일', means: 'reading, finding, writing or sending e-mail' },
  google_calendar: { name: 'Google Calendar', name_ko: '구글 캘린더', means: 'appointments, meetings, free time' },
  google_sheets: { name: 'Google Sheets', name_ko: '구글 시트', means: 'rows, columns and formulas of a spreadsheet' },
  audio: {
    name: 'Audio',
    name_ko: '음성',
    means: 'a recording that is to be written down, or a text that is to be spoken',
  },
  vision: { name: 'Vision', name_ko: '이미지 이해', means: 'what a picture shows' },
  ocr: { name: 'Text recognition', name_ko: '문자 인식', means: 'the text in a picture or a scan' },
  code: { name: 'Code', name_ko: '코드', means: 'writing, explaining or mending a program' },
  evaluation: { name: 'Evaluation', name_ko: '평가', means: 'how good models, prompts or answers are' },
};

/** What a request was understood as. */
export const Classification = z
  .object({
    primary_intent: Intent.meta({ description: 'What it wants most likely' }),
    confidence: z.number().min(0).max(1).meta({ description: 'How sure that is' }),
    secondary_intents: z.array(Intent).max(2).meta({ description: 'What else it may want, the likelier first' }),
    extracted_entities: z.record(z.string(), z.array(z.string())).meta({
      description:
        'What the request names, by kind: `urls`, `emails`, `dates`, `file_types`. A kind of which there is none is absent',
    }),
    reasoning: z.string().meta({ description: 'For people: what spoke for it' }),
  })
  .meta({
    id: 'Classification',
    description: 'What a request was understood as',
    examples: [
      {
        primary_intent: 'google_calendar',
        confidence: 0.95,
        secondary_intents: [],
        extracted_entities: { dates: ['내일'] },
        reasoning: 'Speaks for google_calendar (일정, 치과). Confidence is high.',
      },
    ],
  });
export type Classification = z.infer<typeof Classification>;
