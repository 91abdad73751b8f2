/** Agents, as a part: handlers find the tools of their runner, and runners announce them. */
import type { GuardedFetch } from '../fetch/guarded-fetch.ts';
import type { Catalog } from '../job-type.ts';
import type { Part } from '../part.ts';
import type { Clock } from '../redis/clock.ts';
import { answerProblems, requireTools } from './admit.ts';
import type { ToolDirectory } from './registry/directory.ts';
import type { RunnerServices } from './registry/services.ts';
import type { Tool } from './tool.ts';

declare module '../context.ts' {
  interface Context {
    tools: {
      /** What this runner can run, by name. */
      offered: ReadonlyMap<string, Tool>;
      services: RunnerServices;
    };
    intents: {
      /** How long a model may take to say what a request wants; 0: none is asked. */
      modelMs: number;
    };
  }
}

type AgentDeps = {
  intents: { modelMs: number };
  toolDirectory: ToolDirectory;
  fetch: GuardedFetch;
  clock: Pick<Clock, 'now'>;
  catalog: Catalog;
};

export function agentsPart(deps: AgentDeps): Part {
  const { toolDirectory, fetch, clock, catalog, intents } = deps;
  return {
    name: 'agents',
    async admit({ type, input, inputPath }) {
      if (type.askedTools) await requireTools(toolDirectory, type.askedTools(input), inputPath);
      return {};
    },
    answering: async (answering) => (answering.type.callsTools ? answerProblems(toolDirectory, answering) : []),
    offers: (types) => (types.some((type) => catalog.get(type)?.callsTools) ? toolDirectory.words() : []),
    context: ({ owner }) => ({
      tools: { offered: toolDirectory.offered, services: { owner, now: () => clock.now(), fetch } },
      intents,
    }),
  };
}
