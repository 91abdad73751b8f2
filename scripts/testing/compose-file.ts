/** The docker-compose.yml of this project, for the tests that hold it to what the programs need. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

export const root = resolve(import.meta.dirname, '../..');
export const read = (path: string) => readFileSync(join(root, path), 'utf8');

type Service = {
  image: string;
  profiles?: string[];
  command?: string[];
  environment?: Record<string, string | number>;
  env_file?: { path: string }[];
  ports?: string[];
  stop_grace_period: string;
  depends_on?: Record<string, { condition: string }>;
  healthcheck: { test: string[] };
  restart: string;
  init?: boolean;
  read_only?: boolean;
  user?: string;
  cap_drop?: string[];
  security_opt: string[];
  volumes?: string[];
  networks?: string[];
  logging: { options: Record<string, string> };
  deploy?: { resources: { limits: { memory: string } } };
};

/** The file as Compose sees it with only these variables set; `:?` of an absent one throws its message. */
export function compose(variables: Record<string, string>) {
  const text = read('docker-compose.yml').replace(
    /(?<!\$)\$\{(\w+)(?::([-?+])([^}]*))?\}/g,
    (_, name: string, kind: string | undefined, rest = '') => {
      if (kind === '+') return variables[name] ? rest : '';
      if (variables[name]) return variables[name];
      if (kind === '?') throw new Error(rest);
      return rest;
    },
  );
  const file = parse(text.replaceAll('$$', '$'), { merge: true }) as {
    services: Record<string, Service>;
    networks: Record<string, { internal?: boolean }>;
    volumes: Record<string, unknown>;
  };
  const service = (name: string): Service => {
    const found = file.services[name];
    assert.ok(found, `there is no service ${name}`);
    return found;
  };
  return { ...file, service };
}
