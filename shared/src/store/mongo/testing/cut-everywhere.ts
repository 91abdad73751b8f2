/** Cuts a write of several commands off before and after each of them. */
import assert from 'node:assert/strict';
import type { Cut, mongoNetwork } from '../../../../../scripts/testing/mongo-network.ts';
import type { Store } from '../../../store.ts';
import { notes } from '../../contract/notes.ts';
import type { MongoOptions } from '../client.ts';

type Network = Awaited<ReturnType<typeof mongoNetwork>>;
type Scene = { work(on: Store): Promise<unknown>; check(): Promise<void> };

export function createCuts(network: () => Network, open: (options: Partial<MongoOptions>) => Store) {
  /**
   * Runs `work` on a store of its own, and cuts it off there: what it then still waits for, it waits for in vain.
   * Resolves with what the store said.
   */
  async function cutOff(at: Cut, work: (on: Store) => Promise<unknown>): Promise<unknown> {
    const victim = open({ uri: network().uri });
    // Connected, with its indexes, so that the cut is in the work.
    await notes(victim).get('nobody', 'nothing');
    const reached = network().cutAt(at);
    const outcome = work(victim).catch((error: unknown) => error);
    await Promise.race([reached, outcome]);
    await victim.close();
    return outcome;
  }

  /** Runs `work` on a store of its own that is cut at each command in turn, and `check` after each. Gives the commands. */
  async function cutEverywhere(scene: () => Promise<Scene>): Promise<string[]> {
    const whole = await scene();
    await cutOff({ command: Number.POSITIVE_INFINITY, side: 'before' }, whole.work);
    await whole.check();
    const commands = [...network().commands];
    for (const side of ['before', 'after'] satisfies Cut['side'][]) {
      for (let command = 1; command <= commands.length; command++) {
        const { work, check } = await scene();
        network().comeBack();
        const outcome = await cutOff({ command, side }, work);
        assert.equal((outcome as { code?: string } | null)?.code, 'unavailable', `${side} ${commands[command - 1]}`);
        assert.deepEqual(network().commands, commands.slice(0, command));
        await check();
      }
    }
    return commands;
  }

  return { cutOff, cutEverywhere };
}
