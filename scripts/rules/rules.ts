/** The rules of the rooms. Patterns are matched against paths from the root, and against the names of libraries. */
import { dirname } from 'node:path/posix';

export type File = { path: string; text: string };

/** Where test code stands, and nowhere else. Of the rules of imports only that against cycles binds it. */
export const TESTS = /\.test\.ts$|(^|\/)(testing|faults|contract|bench)\/|^scripts\/(bench|smoke[^/]*)\.ts$/;

const shared = (place: string) => new RegExp(`^shared/src/${place}`);
const WIRING = '(parts|wire|deps|program|config)\\.ts$';
/** A room that no other rule names is a part. */
const PART = '(?!(?:redis|store|models|fetch|record|queue|live|outbox|owners|tasks|jobs)/)([^/]+)/';

/** From the bottom up: a file imports nothing of a higher tier. */
const tiers: { name: string; place: RegExp }[] = [
  { name: 'nouns', place: shared(`(?!${WIRING})[^/]+$`) },
  { name: 'redis, store, models and fetch', place: shared('(redis|store|models|fetch)/') },
  { name: 'record, queue, live, outbox and owners', place: shared('(record|queue|live|outbox|owners)/') },
  { name: 'tasks and parts', place: shared(`(tasks/|${PART})`) },
  { name: 'jobs', place: shared('jobs/') },
  { name: 'the wiring', place: shared(WIRING) },
  { name: 'programs', place: /^(apps|workers|@beanline)\// },
];

/** Where a library is used, scripts apart: starts of paths. One that is not named is used anywhere. */
const libraries: Record<string, string[]> = {
  '@hono/node-server': ['apps/api/'],
  ajv: ['shared/src/models/answer/', 'shared/src/jobs/chat/json-schema.ts'],
  bullmq: ['shared/src/queue/'],
  'eventsource-parser': ['shared/src/models/providers/openai'],
  'gpt-tokenizer': ['shared/src/models/tokens.ts'],
  hono: ['apps/api/'],
  ioredis: ['shared/src/redis/'],
  'ipaddr.js': ['shared/src/fetch/'],
  jsep: ['shared/src/agents/tools/arithmetic.ts'],
  mongodb: ['shared/src/store/mongo/'],
  'node:module': [
    'shared/src/store/mongo/connection.ts',
    'shared/src/jobs/catalog/',
    'shared/src/jobs/chat/json-schema.ts',
  ],
  'node:http': ['apps/api/'],
  'node:http2': [],
  'node:https': [],
  'node:process': [],
  'node:sqlite': ['shared/src/store/sqlite/'],
  // The entry for browsers: the other one opens files that an image names.
  'ollama/browser': ['shared/src/models/providers/ollama'],
  ollama: [],
  openai: ['shared/src/models/providers/openai'],
  parse5: ['shared/src/agents/text/'],
  pino: ['shared/src/log.ts'],
  'rate-limiter-flexible': ['shared/src/owners/rate-limit.ts'],
  'swagger-ui-dist': ['apps/api/'],
  undici: ['shared/src/models/providers/http-fetch.ts', 'shared/src/fetch/'],
  'zod-openapi': ['apps/api/'],
};

type Arrow = { from: string; to: string };
type ArrowRule = { rule: string; why: string; breaks(arrow: Arrow): boolean };

/** Files of the one place import none of the other. */
const forbid = (rule: string, from: RegExp, to: RegExp, why: string): ArrowRule => ({
  rule,
  why,
  breaks: (arrow) => from.test(arrow.from) && to.test(arrow.to),
});

/** Rooms of one kind, told apart by what the pattern captures, import nothing of each other. */
const apart = (rule: string, place: RegExp, why: string): ArrowRule => ({
  rule,
  why,
  breaks({ from, to }) {
    const [room, other] = [from, to].map((file) => place.exec(file)?.[1]);
    return room !== undefined && other !== undefined && room !== other;
  },
});

const TASK_VERB = shared('tasks/(submit|run|cancel|answer|read|list|follow|sweep)-[a-z-]+\\.ts$');
const SESSION_VERB = shared('sessions/(turn/keep-change|post-message|read-session|search-sessions)\\.ts$');
const FOR_JOBS = `jobs/[^/]+/|(job-type|session|errors)\\.ts$|${PART}`;
const FOR_TESTS = /^(node:(test|assert)(\/|$)|@copilotkit\/aimock|eventsource$)/;

/** What an import may break. */
const arrowRules: ArrowRule[] = [
  ...tiers.map(({ name, place }, own) => ({
    rule: 'tier',
    why: `${name} import nothing of a higher tier`,
    breaks: ({ from, to }: Arrow) => place.test(from) && tiers.slice(own + 1).some((higher) => higher.place.test(to)),
  })),
  apart('part', shared(PART), 'no part imports the inside of another'),
  apart('job', shared('jobs/([^/]+)/'), 'no family of job types imports the inside of another'),
  apart('program', /^(?:apps|workers|@beanline)\/([^/]+)\//, 'no program imports another'),
  forbid('kernel', shared('tasks/'), shared(PART), 'the verbs know no part: they have deps.parts'),
  forbid('verb', shared(`(tasks/|jobs/|${WIRING})`), TASK_VERB, 'verbs are for programs and parts'),
  forbid('verb', shared(`(jobs/|${WIRING})`), SESSION_VERB, 'verbs are for programs'),
  forbid(
    'verb',
    shared('sessions/(?!(turn/keep-changes|turn/follow-ups|part)\\.ts)'),
    SESSION_VERB,
    'verbs are for programs',
  ),
  forbid(
    'job',
    shared('jobs/'),
    shared(`(?!${FOR_JOBS})`),
    'what is no job type, part or their noun arrives in the context',
  ),
  forbid('wiring', /^(?!scripts\/|[^/]+\/[^/]+\/src\/main\.ts$)/, shared('wire\\.ts$'), 'main.ts files wire'),
  forbid('script', /^(shared|apps|workers)\//, /^scripts\//, 'a deployed program needs no script'),
  forbid('test-code', /./, TESTS, 'what ships imports no test code'),
  forbid('test-code', /./, FOR_TESTS, 'test code is in *.test.ts, testing/, faults/, contract/ or bench/'),
  ...Object.entries(libraries).map(([name, places]) => ({
    rule: 'library',
    why: `${name} is used in ${places.join(', ') || 'no place'}`,
    breaks: ({ from, to }: Arrow) =>
      (to === name || (to.startsWith(`${name}/`) && !(to in libraries))) &&
      ![...places, 'scripts/'].some((place) => from.startsWith(place)),
  })),
];

/** The rules that an import breaks. */
export const brokenBy = (arrow: Arrow) => arrowRules.filter((rule) => rule.breaks(arrow));

/** What must not be loaded, by way of any number of files: the thread would start the later. */
export const unreached = [{ rule: 'unreached', from: 'shared/src/store/sqlite/thread.ts', to: 'zod' }];

/** Rooms between which there is no cycle. */
export const roomOf = (file: string) => /^shared\/src\/[^/]+(?=\/)/.exec(file)?.[0] ?? '';

export const lineOf = (text: string, at: number) => text.slice(0, at).split('\n').length;

/** What does not stand in the texts of a place. */
const texts: { rule: string; place: RegExp; text: RegExp; why: string }[] = [
  {
    rule: 'nameless',
    place: shared('((tasks|record|queue|live|outbox)/|(job-type|task|event|errors|context|part)\\.ts$)'),
    text: /session|agent|retriev/i,
    why: 'the kernel names no feature',
  },
  {
    rule: 'provider',
    place: /^(shared\/src\/(?!models\/)|workers\/)/,
    text: /\b(openai|ollama)\b/i,
    why: 'a provider is known in models/ only',
  },
  {
    rule: 'variable',
    place: shared('config\\.ts$'),
    text: /\bz\.(string|number|enum|coerce)\(/,
    why: 'a variable is declared in the variables.ts of its room',
  },
  {
    rule: 'route',
    place: /^apps\/api\/src\/(?!app\.ts$)/,
    text: /\b(app|hono)\.(get|post|put|patch|delete|on|all)\(/,
    why: 'a route is declared by route()',
  },
];

/** What the text and the number of the files in a room may break. */
export function rooms(files: File[]) {
  const wrong = texts.flatMap(({ rule, place, text: pattern, why }) =>
    files
      .filter(({ path, text }) => place.test(path) && pattern.test(text))
      .map(({ path, text }) => ({ rule, file: path, line: lineOf(text, text.search(pattern)), why })),
  );
  const full = [...Map.groupBy(files, ({ path }) => dirname(path))].flatMap(([file, { length }]) => {
    const most = file === 'shared/src' ? 24 : 15;
    return length > most ? [{ rule: 'room-files', file, line: length, why: `at most ${most} files` }] : [];
  });
  return [...wrong, ...full];
}

/** What breaks a rule today, as `file rule → import`. One that is none any more is an error: the list only shrinks. */
export const exceptions: string[] = [];
