/** The guarded fetch by TLS: the certificate must be that of the host in the URL, whatever address it is reached at. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { noCertificates, testCertificates } from '../../../scripts/testing/certificates.ts';
import { readConfig } from '../config.ts';
import { createGuardedFetch } from './guarded-fetch.ts';

test('a host is who its certificate says, signed by somebody who is trusted', { skip: noCertificates }, async (t) => {
  const made = await testCertificates();
  const files = made.settings(0);
  const [key, cert] = [readFileSync(files['tls-key-file']), readFileSync(files['tls-cert-file'])];
  const asked: (string | false | null)[] = [];
  const server = createServer({ key, cert }, (request, response) => {
    asked.push((request.socket as { servername?: string }).servername ?? null);
    response.setHeader('content-type', 'text/plain').end('hello');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const trusted = getCACertificates();
  t.after(async () => {
    setDefaultCACertificates(trusted);
    server.closeAllConnections();
    server.close();
    await made.remove();
  });
  const { port } = server.address() as AddressInfo;
  const config = readConfig({ FETCH_ALLOW: `model.example:${port},other.example:${port}` });
  const fetch = createGuardedFetch(config, async () => ['127.0.0.1']);
  const get = (host: string) =>
    fetch(`https://${host}:${port}/`, { signal: new AbortController().signal, types: ['text/*'] });

  await assert.rejects(get('model.example'), { problem: 'connection' });
  setDefaultCACertificates([...trusted, readFileSync(made.caFile, 'utf8')]);
  assert.equal(String((await get('model.example')).body), 'hello');
  await assert.rejects(get('other.example'), { problem: 'connection' });
  assert.deepEqual(asked, ['model.example']);
});
