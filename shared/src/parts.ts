/** All parts. Adding one is its room and a line here. The order is that in which their hooks are asked. */
import { agentsPart } from './agents/part.ts';
import type { Deps } from './deps.ts';
import { linesPart } from './lines/part.ts';
import type { Part } from './part.ts';
import { sessionsPart } from './sessions/part.ts';

const parts: ((deps: Deps) => Part)[] = [sessionsPart, agentsPart, linesPart];

/** The deps of a program with its parts, which work with these same deps. */
export function withParts(deps: Omit<Deps, 'parts'>, more: ((deps: Deps) => Part)[] = []): Deps {
  const all: Part[] = [];
  const whole = { ...deps, parts: all };
  all.push(...[...parts, ...more].map((part) => part(whole)));
  return whole;
}
