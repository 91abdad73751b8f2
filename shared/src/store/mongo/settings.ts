/** Settings in MongoDB: a document per owner and name. */
import type { SettingStore } from '../../store.ts';
import { pack, unpack } from './bodies.ts';
import type { Call } from './client.ts';
import { isDuplicate } from './errors.ts';
import { mine, text } from './schema.ts';

export function mongoSettings(call: Call): SettingStore {
  return {
    async get(owner, name) {
      const found = await call(({ settings, read }) => settings.findOne(mine(owner, name), read));
      return found && unpack(found.json);
    },

    async put(owner, name, json) {
      const change = { $set: { json: await pack(text(json)) } };
      await call(async ({ settings }, signal) => {
        const put = () => settings.updateOne(mine(owner, name), change, { upsert: true });
        await put().catch((error: unknown) => {
          // Of two that make it at once the server refuses one, who then finds it made.
          if (!isDuplicate(error)) throw error;
          signal.throwIfAborted();
          return put();
        });
      });
    },

    async delete(owner, name) {
      await call(({ settings }) => settings.deleteOne(mine(owner, name)));
    },
  };
}
