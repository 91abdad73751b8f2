/** What `npm start` prints when everything is up. */
import type { Environment } from '../shared/src/config.ts';

/** The lines that say where it is, what answers, and what to try first. */
export function welcome(facts: {
  url: string;
  config: Environment;
  /** The default model and where it is. */
  model: string;
  runners: number;
  ownRedisPort: number | undefined;
  ms: number;
}): string {
  const { url, config, model, runners, ownRedisPort, ms } = facts;
  const redis = ownRedisPort === undefined ? 'REDIS_URL' : `its own, port ${ownRedisPort}`;
  const post = `${url}/api/chat -H 'Content-Type: application/json' -d '{"messages":[{"role":"user","content":"What is a queue?"}]}'`;
  return `
beanline is ready at ${url} (${(ms / 1000).toFixed(1)} s)
  model    ${model}
  data     ${config.DATA_DIR}
  redis    ${redis}
  runners  ${runners}

Watch an answer as it is made:
  curl -N ${post} -H 'Accept: text/event-stream'
Submit, then fetch the result:
  id=$(curl -s ${post} | grep -o 'task_[A-Za-z0-9_-]\\{9,\\}' | head -1); curl -s "${url}/tasks/$id?wait=30"

Ctrl-C stops everything.
`;
}
