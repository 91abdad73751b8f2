/** A provider is added as docs/internals/providers.md says: its file, and its line in the catalog. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { failureOf, startRaw } from '../../../scripts/testing/dialects.ts';
import { ConfigError, readConfig } from '../config.ts';
import { createLog } from '../log.ts';
import { createProviders } from './create-providers.ts';
import { createLlm } from './llm.ts';
import type { ProviderDefinition } from './provider-definition.ts';
import { providerCatalog } from './providers/catalog.ts';

const PAGE = new URL('../../../docs/internals/providers.md', import.meta.url);
const PLACE = new URL('./providers/', import.meta.url);

/** The page's own file, as if it stood beside the others. */
async function parrotOf(t: TestContext): Promise<ProviderDefinition> {
  const [, file = ''] = /```ts\n(.*?)```/s.exec(await readFile(PAGE, 'utf8')) ?? [];
  const code = file.replace(/(?<=from ')[^']+/g, (name) =>
    name.startsWith('.') ? new URL(name, PLACE).href : import.meta.resolve(name),
  );
  const dir = await mkdtemp(join(tmpdir(), 'beanline-provider-'));
  t.after(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'parrot.ts'), code);
  return (await import(pathToFileURL(join(dir, 'parrot.ts')).href)).parrot;
}

async function setup(t: TestContext, env: (url: string) => Record<string, string>) {
  const parrot = await parrotOf(t);
  const server = await startRaw(t, (response) => {
    const { messages } = JSON.parse(server.requests.at(-1)?.body ?? '');
    response.end(messages[0].content);
  });
  const config = readConfig({ OLLAMA_HOST: 'off', ...env(server.url) }, parrot.variables);
  const providers = await createProviders(config, createLog({ level: 'silent', name: 'test' }), [
    parrot,
    ...providerCatalog,
  ]);
  const { llm } = createLlm({ providers, idleTimeoutMs: 60_000, signal: new AbortController().signal });
  const ask = async (model?: string) => {
    let text = '';
    for await (const chunk of llm.chat({ model, messages: [{ role: 'user', content: 'hello' }] })) text += chunk.text;
    return { text, outcome: llm.outcome() };
  };
  return { parrot, ask, server };
}

test('a provider of its own file and line answers by its name, and by default', async (t) => {
  const { ask, server } = await setup(t, (url) => ({ PARROT_URL: url }));
  for (const model of ['parrot/blue', undefined]) {
    const { text, outcome } = await ask(model);
    assert.equal(text, 'hello');
    assert.deepEqual(
      [outcome.provider, outcome.model, outcome.finish_reason],
      ['parrot', model ? 'blue' : 'grey', 'stop'],
    );
  }
  assert.equal(server.requests.length, 2);
});

test('its variables are checked with all others, and have a description', async (t) => {
  const { parrot } = await setup(t, () => ({}));
  assert.throws(
    () => readConfig({ PARROT_URL: 'tree', DRAIN_MS: 'x' }, parrot.variables),
    (error) => error instanceof ConfigError && error.problems.length === 2 && /PARROT_URL: must be/.test(error.message),
  );
  assert.deepEqual(parrot.variables.shape.PARROT_URL?.meta()?.description, 'where the parrot is');
});

test('where it is not configured its name is a plain error, and the next of the catalog answers', async (t) => {
  const { ask } = await setup(t, () => ({}));
  assert.equal((await failureOf(ask('parrot/blue'))).code, 'provider_not_configured');
  assert.equal((await ask()).outcome.provider, 'builtin');
});
