/**
 * The real programs, which send themselves a signal right after one of their writes, SIGKILL unless told otherwise:
 * `node dying.ts api|runner|relay tasks.finish [SIGSTOP]`, `store.tasks.put`, or `tasks.append#3` for the third one. Nothing is replaced: the write happens, what follows does not.
 */
import { readConfig } from '@beanline/shared/config.ts';
import type { Deps } from '@beanline/shared/deps.ts';
import { createProviders } from '@beanline/shared/models/create-providers.ts';
import { withParts } from '@beanline/shared/parts.ts';
import { runProgram } from '@beanline/shared/program.ts';
import { wire } from '@beanline/shared/wire.ts';
import { startServer } from '../../apps/api/src/http/server.ts';
import { HttpVariables } from '../../apps/api/src/http/variables.ts';
import { startRelay } from '../../workers/relay/src/relay.ts';
import { startRunner } from '../../workers/runner/src/runner.ts';
import { testCatalog } from '../testing/catalog.ts';

type Write = (...args: unknown[]) => Promise<unknown>;

const name = process.argv[2] as 'api' | 'runner' | 'relay';
const [write = '', nth = '1'] = (process.argv[3] ?? '').split('#');
const path = write.split('.');
const signal = process.argv[4] as 'SIGSTOP' | undefined;

/** A copy of `parts` in which the function at this path is the last that is called. */
function lastAt(parts: object, [name = '', ...rest]: string[]): object {
  const part = (parts as Record<string, object>)[name];
  if (!part) throw new Error(`there is no ${name} in ${path.join('.')}`);
  return { ...parts, [name]: rest.length > 0 ? lastAt(part, rest) : lastCall(part as Write) };
}

function lastCall(real: Write): Write {
  let calls = 0;
  return async (...args) => {
    const result = await real(...args);
    if (++calls < Number(nth)) return result;
    if (calls === Number(nth)) process.kill(process.pid, signal ?? 'SIGKILL');
    return signal === 'SIGSTOP' ? result : new Promise(() => undefined);
  };
}

await runProgram({
  name,
  env: process.env,
  readConfig: (env) => readConfig(env, HttpVariables),
  async start(config, log) {
    const wired = wire(config, { program: name, log, catalog: testCatalog });
    const deps = withParts(lastAt(wired.deps, path) as Deps);
    await deps.clock.ready();
    if (name === 'api') return startServer(deps, config);
    if (name === 'relay') return startRelay(deps, config);
    return startRunner({ ...deps, providers: await createProviders(config, log) }, config);
  },
});
