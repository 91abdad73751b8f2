/** What every route of the API works with. */
import type { Deps } from '@beanline/shared/deps.ts';
import { type ArchivedEvents, createArchivedEvents } from '@beanline/shared/tasks/read-archived-events.ts';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { type Access, type Caller, createAccess } from './access/access.ts';
import { type ByteBudget, createByteBudget } from './memory/byte-budget.ts';
import { createRoomQueue, type RoomQueue } from './memory/room-queue.ts';
import { createSharedBodies, type SharedBodies } from './memory/shared-bodies.ts';
import { createStreams, type Streams } from './streams.ts';
import { createHeavyWork, type HeavyWork } from './turns/heavy-work.ts';
import { createTurns, type Turns } from './turns/turns.ts';
import type { ApiEnvironment } from './variables.ts';

/** Between two pieces of what is dropped: so a flood of refused bodies costs little to read. */
const DROP_MS = 5;

export type Api = {
  deps: Deps;
  config: ApiEnvironment;
  /** Aborts when the API shuts down: streams end at an event boundary, waiting requests get what there is. */
  drain: AbortSignal;
  access: Access;
  streams: Streams;
  /** Of request bodies that are under way. */
  bodies: ByteBudget;
  /** Of answers that their readers have not taken yet. */
  answers: ByteBudget;
  /** Where answers under way wait for room among them. */
  room: RoomQueue;
  /** Of the pieces of large bodies and answers. */
  turns: Turns;
  /** Of the pieces of bodies that are refused: they are dropped. */
  drops: Turns;
  /** Large bodies that are made sense of. */
  heavy: HeavyWork;
  sharedBodies: SharedBodies;
  /** Logs of tasks that only the store has. */
  archive: ArchivedEvents;
};

export function createApi(deps: Deps, config: ApiEnvironment, drain: AbortSignal): Api {
  const access = createAccess(deps, config);
  const answers = createByteBudget({ owner: config.MAX_OWNER_ANSWER_BYTES, all: config.MAX_ANSWER_BYTES });
  return {
    deps,
    config,
    drain,
    access,
    streams: createStreams(deps, access, config, answers),
    bodies: createByteBudget({ owner: config.MAX_OWNER_BODY_BYTES, all: config.MAX_BODIES_BYTES }),
    answers,
    room: createRoomQueue(answers),
    turns: createTurns(),
    drops: createTurns(DROP_MS),
    heavy: createHeavyWork(),
    sharedBodies: createSharedBodies(),
    archive: createArchivedEvents(deps, config.STORE_TIMEOUT_MS),
  };
}

type Variables = {
  api: Api;
  requestId: string;
  caller: Caller;
  /** The caller's: every read and every verb takes it. */
  owner: string;
  /** On every answer to this request, streams included. */
  headers?: Record<string, string>;
  /** Gives back what the request's body takes of the budget, when nothing of it is needed any more. */
  releaseBody?: () => void;
};

export type ApiEnv = { Bindings: HttpBindings; Variables: Variables };
export type ApiContext = Context<ApiEnv>;
