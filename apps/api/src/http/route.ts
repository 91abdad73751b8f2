/**
 * A route, declared once. From its declaration come Hono's route, the methods that its path allows, whether it asks for a
 * key, and its operation in the OpenAPI document.
 */
import type { Described } from '../openapi/operation.ts';
import type { Api, ApiContext } from './context.ts';

export type Route = Described & {
  /** Answers with an event stream: a reader that cannot be admitted just now is asked to come back. */
  isStream?: true;
  handler(c: ApiContext): Response | Promise<Response>;
};

/** What the application is made from. */
export type App = { routes: Route[] };

/** Declares one route, or a few that belong together; `routes/catalog.ts` lists all of these. */
export type AddRoute = (app: App, api: Api) => void;

/** Adds a route. Throws when there is one of this method and path. */
export function route(app: App, declared: Route): void {
  const { method, path } = declared;
  if (app.routes.some((other) => other.method === method && other.path === path)) {
    throw new TypeError(`${method.toUpperCase()} ${path} is declared twice.`);
  }
  app.routes.push(declared);
}

const PLACEHOLDER = /\{(\w+)\}/g;

/** The path as Hono writes it: `/tasks/:id`. */
export const honoPath = (path: string) => path.replaceAll(PLACEHOLDER, ':$1');

/** What matches the path, a placeholder standing for what matches `some`. */
const patternOf = (path: string, some: string) =>
  path
    .split(PLACEHOLDER)
    // Every second piece is the name of a placeholder.
    .map((piece, index) => (index % 2 === 1 ? some : RegExp.escape(piece)))
    .join('');

/** Tells whether a request's path is that of one of these routes, a placeholder standing for what matches `some`. */
export function isAtOneOf(routes: readonly Pick<Route, 'path'>[], some = '[^/]+'): (path: string) => boolean {
  const patterns = new Set(routes.map(({ path }) => patternOf(path, some)));
  // Without routes it matches nothing.
  const pattern = new RegExp(`^(?:${[...patterns].join('|') || '(?!)'})$`);
  return (path) => pattern.test(path);
}

/** Tells which methods these routes have at a request's path, in capitals. */
export function methodsAt(routes: readonly Pick<Route, 'path' | 'method'>[]): (path: string) => string[] {
  const byPath = Map.groupBy(routes, ({ path }) => path);
  const table = [...byPath.values()].map((of) => ({
    isHere: isAtOneOf(of),
    methods: of.map(({ method }) => method.toUpperCase()),
  }));
  return (path) => [...new Set(table.flatMap(({ isHere, methods }) => (isHere(path) ? methods : [])))];
}
