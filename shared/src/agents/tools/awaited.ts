/**
 * Tools that a job type is to bring, by `asTool`: each has its row, and says what it needs. The row of the job type takes its
 * place as soon as there is one.
 */
import { z } from 'zod';
import { defineRow, type ToolRow } from '../tool.ts';
import { field } from './fields.ts';

const Query = z.strictObject({
  query: z
    .string()
    .min(1)
    .meta({ description: 'What is asked for, in full: the tool knows nothing of the conversation' }),
});
const output = z.unknown();
const shared = { input: Query, output, effect: 'none' as const };
const google = (options: z.ZodObject) => ({
  ...shared,
  priority: 60,
  options,
});

const knowledge: ToolRow[] = [
  defineRow({
    ...shared,
    name: 'rag',
    title: { en: 'Documents', ko: '문서 검색' },
    description: "Answers from the user's own documents, and names the sources.",
    descriptionKo: '사용자의 문서를 검색해 출처와 함께 답합니다.',
    intents: ['rag'],
    priority: 90,
    needs: [{ part: 'rag.query' }],
    options: z.strictObject({ collection_name: field.collection_name, top_k: field.top_k }),
    streams: true,
  }),
  defineRow({
    ...shared,
    name: 'knowledge_graph',
    title: { en: 'Knowledge graph', ko: '지식 그래프' },
    description: 'Answers from entities and their relations in a knowledge graph.',
    descriptionKo: '지식 그래프의 개체와 관계를 바탕으로 답합니다.',
    intents: ['kg'],
    priority: 70,
    needs: [{ part: 'kg.query' }],
    options: z.strictObject({ graph_name: field.graph_name, max_depth: field.max_depth }),
  }),
  defineRow({
    ...shared,
    name: 'web_search',
    title: { en: 'Web search', ko: '웹 검색' },
    description: 'Searches the web for what is current, and gives titles, URLs and excerpts.',
    descriptionKo: '웹에서 최신 정보를 검색합니다.',
    intents: ['web_search'],
    priority: 75,
    needs: [{ key: 'TAVILY_API_KEY' }, { part: 'web.search' }],
    options: z.strictObject({ top_k: field.top_k, language: field.language }),
  }),
];

const agents: ToolRow[] = [
  defineRow({
    ...shared,
    name: 'agent',
    title: { en: 'Agent', ko: '에이전트' },
    description: 'Works on a task of several steps by itself, with tools of its own.',
    descriptionKo: '여러 단계의 작업을 도구를 사용해 스스로 수행합니다.',
    intents: ['agent'],
    priority: 85,
    needs: [{ part: 'agent.run' }],
    streams: true,
  }),
  defineRow({
    ...shared,
    name: 'multi_agent',
    title: { en: 'Several agents', ko: '멀티 에이전트' },
    description: 'Lets several agents work on a task together, or debate it.',
    descriptionKo: '여러 에이전트가 함께 작업하거나 토론합니다.',
    intents: ['multi_agent'],
    priority: 80,
    needs: [{ part: 'multi_agent.run' }],
    options: z.strictObject({ system_name: field.system_name, context: field.context }),
    streams: true,
  }),
  defineRow({
    ...shared,
    name: 'evaluation',
    title: { en: 'Evaluation', ko: '평가' },
    description: 'Measures how good answers are.',
    descriptionKo: '답변의 품질을 측정합니다.',
    intents: ['evaluation'],
    priority: 40,
    needs: [{ part: 'evaluation.run' }],
    options: z.strictObject({ context: field.context }),
  }),
];

const media: ToolRow[] = [
  defineRow({
    ...shared,
    name: 'audio_transcribe',
    title: { en: 'Transcription', ko: '음성 전사' },
    description: 'Writes down what is said in a recording.',
    descriptionKo: '녹음된 음성을 글로 옮깁니다.',
    intents: ['audio'],
    priority: 50,
    needs: [{ part: 'audio.transcribe' }],
    options: z.strictObject({ audio_path: field.audio_path, language: field.language }),
  }),
  defineRow({
    ...shared,
    name: 'vision',
    title: { en: 'Vision', ko: '이미지 이해' },
    description: 'Answers questions about an image.',
    descriptionKo: '이미지에 대한 질문에 답합니다.',
    intents: ['vision'],
    priority: 50,
    needs: [{ part: 'vision.query' }],
    options: z.strictObject({ image_path: field.image_path }),
  }),
  defineRow({
    ...shared,
    name: 'ocr',
    title: { en: 'Text recognition', ko: '텍스트 인식' },
    description: 'Reads the text of an image or a scan.',
    descriptionKo: '이미지나 스캔 문서에서 텍스트를 추출합니다.',
    intents: ['ocr'],
    priority: 50,
    needs: [{ part: 'ocr.extract' }],
    options: z.strictObject({ image_path: field.image_path, engine: field.engine, language: field.language }),
  }),
];

const services: ToolRow[] = [
  defineRow({
    ...google(z.strictObject({ file_id: field.file_id })),
    name: 'google_drive',
    title: { en: 'Google Drive', ko: '구글 드라이브' },
    description: "Finds and reads files in the user's Google Drive.",
    descriptionKo: '구글 드라이브의 파일을 찾고 읽습니다.',
    intents: ['google_drive'],
    needs: [{ part: 'google.drive' }],
  }),
  defineRow({
    ...google(z.strictObject({ doc_id: field.doc_id })),
    name: 'google_docs',
    title: { en: 'Google Docs', ko: '구글 문서' },
    description: "Reads and writes the user's Google Docs.",
    descriptionKo: '구글 문서를 읽고 씁니다.',
    intents: ['google_docs'],
    needs: [{ part: 'google.docs' }],
    effect: 'once',
    approval: 'always',
  }),
  defineRow({
    ...google(z.strictObject({ recipient_email: field.recipient_email })),
    name: 'google_gmail',
    title: { en: 'Gmail', ko: '지메일' },
    description: "Reads and sends the user's mail.",
    descriptionKo: '메일을 읽고 보냅니다.',
    intents: ['google_gmail'],
    needs: [{ part: 'google.gmail' }],
    effect: 'once',
    approval: 'always',
  }),
  defineRow({
    ...google(z.strictObject({})),
    name: 'google_calendar',
    title: { en: 'Google Calendar', ko: '구글 캘린더' },
    description: "Reads and writes the user's calendar.",
    descriptionKo: '일정을 읽고 씁니다.',
    intents: ['google_calendar'],
    needs: [{ part: 'google.calendar' }],
    effect: 'once',
    approval: 'always',
  }),
  defineRow({
    ...google(z.strictObject({ spreadsheet_id: field.spreadsheet_id })),
    name: 'google_sheets',
    title: { en: 'Google Sheets', ko: '구글 시트' },
    description: "Reads and writes the user's spreadsheets.",
    descriptionKo: '스프레드시트를 읽고 씁니다.',
    intents: ['google_sheets'],
    needs: [{ part: 'google.sheets' }],
    effect: 'once',
    approval: 'always',
  }),
];

export const awaitedTools: readonly ToolRow[] = [...knowledge, ...agents, ...media, ...services];
