/** What `npm start` prints when everything is up. */
import type { Catalog } from '../../shared/src/job-type.ts';
import type { JobVariables } from '../../shared/src/jobs/catalog/variables.ts';
import { catalog as builtin } from '../../shared/src/jobs/catalog.ts';
import type { StoreVariables } from '../../shared/src/store/variables.ts';

/** The lines that say where it is, what answers, and what to try first. */
export function welcome(facts: {
  url: string;
  config: Pick<StoreVariables, 'DATA_DIR'> & JobVariables;
  /** The default model and where it is. */
  model: string;
  runners: number;
  ownRedisPort: number | undefined;
  catalog: Catalog;
  /** Whether the API asks for a key. */
  keyed: boolean;
  ms: number;
}): string {
  const { url, config, model, runners, ownRedisPort, catalog, keyed, ms } = facts;
  const own = [...catalog.values()].filter(({ name }) => !builtin.has(name));
  const jobs = own.map(({ name, route }) => (route ? `${name} (POST ${route})` : name)).join(', ');
  const redis = ownRedisPort === undefined ? 'REDIS_URL' : `its own, port ${ownRedisPort}`;
  const auth = keyed ? ' -H "Authorization: Bearer $KEY"' : '';
  // The built-in one answers at once, which leaves nothing to watch.
  const watched = model.startsWith('builtin/') ? '"model":"builtin/paced",' : '';
  const post = (more = '') =>
    `${url}/api/chat${auth} -H 'Content-Type: application/json' -d '{${more}"messages":[{"role":"user","content":"What is a queue?"}]}'`;
  return `
beanline is ready at ${url} (${(ms / 1000).toFixed(1)} s)
  model    ${model}
  data     ${config.DATA_DIR}
  redis    ${redis}
  runners  ${runners}${jobs && `\n  jobs     ${jobs}, of ${config.JOBS_DIR}`}
  API      ${url}/docs
  keys     ${keyed ? 'every request needs one; make another: npm run keys -- create <owner>' : 'none, so only this machine is answered; make one: npm run keys -- create <owner>'}

Watch an answer as it is made:
  curl -N ${post(watched)} -H 'Accept: text/event-stream'
Submit, then fetch the result:
  id=$(curl -s ${post()} | grep -o 'task_[A-Za-z0-9_-]\\{9,\\}' | head -1); curl -s "${url}/tasks/$id?wait=30"${auth}

Ctrl-C stops everything.
`;
}
