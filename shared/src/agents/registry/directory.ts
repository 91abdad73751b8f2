/**
 * Which tools there are, and which can run. A runner announces those whose needs it meets, and the names of the keys it has; the
 * API, which has no keys, lists what living runners announce.
 */
import type { JobType } from '../../job-type.ts';
import type { Log } from '../../log.ts';
import type { Presence } from '../../queue/presence.ts';
import type { Clock } from '../../redis/clock.ts';
import type { Need, Tool, ToolRow } from '../tool.ts';
import { awaitedTools } from '../tools/awaited.ts';
import { tools as builtin } from '../tools/catalog.ts';
import type { ToolVariables } from '../variables.ts';
import { jobTool } from './job-tool.ts';

/** How long what was announced is taken to be so. */
const CACHE_MS = 1_000;

const toolWord = (name: string) => `tool:${name}`;
const keyWord = (name: string) => `key:${name}`;

/** Why a tool cannot run: nothing, what it needs, or nobody who would. */
export type Availability = {
  status: 'available' | 'unavailable' | 'requires_key';
  missingKeys: string[];
  missingParts: string[];
  /** In a sentence; null when it is available. */
  reason: string | null;
};

/** Tools by name: those that are built in, those of job types, and the rows of those that are awaited. */
export function toolsOf(types: Iterable<JobType>) {
  const tools = [...builtin, ...[...types].flatMap((type) => jobTool(type) ?? [])];
  const names = new Set(tools.map(({ name }) => name));
  return { tools, rows: [...tools, ...awaitedTools.filter(({ name }) => !names.has(name))] as readonly ToolRow[] };
}

const keysOf = (needs: readonly Need[]) => needs.flatMap((need) => ('key' in need ? [need.key] : []));
const partsOf = (needs: readonly Need[]) => needs.flatMap((need) => ('part' in need ? [need.part] : []));

type DirectoryDeps = {
  presence: Pick<Presence, 'offers' | 'offersKey'>;
  clock: Pick<Clock, 'guard' | 'now'>;
  catalog: ReadonlyMap<string, JobType>;
  log: Pick<Log, 'warn'>;
};

export function createToolDirectory({ presence, clock, catalog, log }: DirectoryDeps, config: ToolVariables) {
  const { tools, rows } = toolsOf(catalog.values());
  const isOff = (name: string) => config.TOOLS_OFF.includes(name);
  const missingParts = ({ needs }: ToolRow) => partsOf(needs).filter((part) => !catalog.has(part));
  const hasKeys = ({ needs }: ToolRow) => keysOf(needs).every((key) => config.keysSet.has(key));
  const offered = tools.filter((tool) => !isOff(tool.name) && hasKeys(tool) && missingParts(tool).length === 0);

  let cached: { at: number; words: Promise<ReadonlySet<string>[]> } | undefined;
  /** Of each living runner that runs agents what it announces. Throws `unavailable` while Redis is away. */
  function announced() {
    if (!cached || performance.now() - cached.at > CACHE_MS) {
      const words = clock.guard(() => presence.offers(clock.now()), { key: presence.offersKey });
      cached = { at: performance.now(), words };
      words.catch(() => {
        cached = undefined;
      });
    }
    return cached.words;
  }

  function availabilityOf(row: ToolRow, runners: readonly ReadonlySet<string>[]): Availability {
    const has = (word: string) => runners.some((words) => words.has(word));
    const none = { missingKeys: [], missingParts: [] };
    if (has(toolWord(row.name))) return { status: 'available', ...none, reason: null };
    const missing = {
      missingKeys: keysOf(row.needs).filter((key) => !has(keyWord(key))),
      missingParts: missingParts(row),
    };
    if (missing.missingParts.length > 0)
      return {
        status: 'unavailable',
        ...missing,
        reason: `It needs ${missing.missingParts.join(', ')}, which is not there.`,
      };
    if (runners.length === 0)
      return { status: 'unavailable', ...none, reason: 'No runner is there that could run it.' };
    if (missing.missingKeys.length > 0)
      return { status: 'requires_key', ...missing, reason: `It needs ${missing.missingKeys.join(', ')} on a runner.` };
    return { status: 'unavailable', ...none, reason: 'No runner that is there offers it.' };
  }

  return {
    /** Every tool, and the rows of those that are awaited. */
    rows,
    /** By name, what this program can run. */
    offered: new Map<string, Tool>(offered.map((tool) => [tool.name, tool])),

    /** What a runner announces, once at its start. */
    words(): string[] {
      for (const name of config.TOOLS_OFF)
        if (tools.every((tool) => tool.name !== name))
          log.warn({ tool: name }, 'TOOLS_OFF names a tool that there is not');
      const keys = new Set(rows.flatMap(({ needs }) => keysOf(needs)).filter((key) => config.keysSet.has(key)));
      return [...offered.map(({ name }) => toolWord(name)), ...[...keys].map(keyWord)];
    },

    /** What can run now, by name. `isKnown` is false while no runner is there to say so. */
    async availability(): Promise<{ isKnown: boolean; of(row: ToolRow): Availability }> {
      const runners = await announced();
      return { isKnown: runners.length > 0, of: (row) => availabilityOf(row, runners) };
    },
  };
}

export type ToolDirectory = ReturnType<typeof createToolDirectory>;
