/** A system with sessions, whose runners and relays a test starts, kills and replaces. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { keptLines, lines, OWNER, type Sessions, startSessions } from '../testing/session-chats.ts';
import type { Program } from '../testing/system.ts';
import { checkClean } from './checks.ts';
import { startDying } from './start-dying.ts';

/** Lines of a turn as it is said here. */
export const turn = (text: string) => [`user: ${text}`, `assistant: re: ${text}`];

/** Starts the file's system before its first test, and checks after each that nothing is left open. */
export function sessionDeaths() {
  let system: Sessions;
  before(async () => {
    system = await startSessions({ runners: 0, relays: 0 });
  });
  after(() => system.stop());

  const programs: Program[] = [];
  async function start(name: 'runner' | 'relay', env: Record<string, string> = {}) {
    const program = await (name === 'runner' ? system.startRunner(env) : system.startRelay());
    programs.push(program);
    return program;
  }
  afterEach(async () => {
    for (const name of ['runner', 'relay'] as const) await start(name);
    try {
      await checkClean(system);
    } finally {
      await Promise.all(programs.splice(0).map((program) => program.signal('SIGKILL')));
    }
  });

  async function totals(session: string) {
    const { messageCount, totalTokens } = (await system.store.sessions.read(OWNER, session)) ?? {};
    return { messageCount, totalTokens };
  }

  /** The test of a relay that is killed right after this write. */
  function relayDiesAfter(write: string) {
    test(`a relay that is killed right after ${write}: every message is there once, for the next call and in the store`, async () => {
      const session = await system.newSession();
      await start('runner');
      await system.ask(session, `one ${write}`);
      await system.ask(session, `two ${write}`);
      const dying = await startDying(system, 'relay', write);
      await dying.died;
      await system.ask(session, `three ${write}`);
      const before = [...turn(`one ${write}`), ...turn(`two ${write}`)];
      assert.deepEqual(lines(system.shown(`three ${write}`)), [...before, `user: three ${write}`]);
      await start('relay');
      assert.deepEqual(keptLines(await system.kept(session, 6)), [...before, ...turn(`three ${write}`)]);
      assert.deepEqual(await totals(session), { messageCount: 6, totalTokens: 15 });
      await system.ask(session, `four ${write}`);
      assert.deepEqual(lines(system.shown(`four ${write}`)).slice(0, 4), before);
      await system.kept(session, 8);
    });
  }

  return { system: () => system, programs, start, relayDiesAfter };
}
