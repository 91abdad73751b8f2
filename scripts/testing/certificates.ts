/** Certificates for servers of a test: signed by an authority of its own, with another one that nobody should trust. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const hasOpenssl = await run('openssl', ['version']).then(
  () => true,
  () => false,
);

/** Why a test that wants certificates cannot run here; false when it can. */
export const noCertificates = hasOpenssl ? false : 'SKIPPED: there is no openssl to make certificates with';

export type Certificates = Awaited<ReturnType<typeof testCertificates>>;

/** Makes them, for 127.0.0.1 and model.example, in a directory of their own. */
export async function testCertificates() {
  const dir = await mkdtemp(join(tmpdir(), 'beanline-tls-'));
  const at = (name: string) => join(dir, name);
  const openssl = (...args: string[]) => run('openssl', args);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const name of ['ca', 'other-ca']) {
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)];
    await openssl('req', '-x509', ...key, '-days', '2', '-subj', `/CN=${name}`, ...files);
  }
  await openssl('req', ...key, '-subj', '/CN=redis', '-keyout', at('redis.key'), '-out', at('redis.csr'));
  await writeFile(at('names'), 'subjectAltName=IP:127.0.0.1,DNS:model.example\n');
  const signer = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2'];
  const files = ['-in', at('redis.csr'), '-extfile', at('names'), '-out', at('redis.crt')];
  await openssl('x509', '-req', ...signer, ...files);

  /** The settings of a Redis or a Sentinel that speaks TLS on this port. */
  const settings = (port: number) => ({
    'tls-port': String(port),
    'tls-auth-clients': 'no',
    'tls-cert-file': at('redis.crt'),
    'tls-key-file': at('redis.key'),
    'tls-ca-cert-file': at('ca.crt'),
  });
  return {
    caFile: at('ca.crt'),
    otherCaFile: at('other-ca.crt'),
    settings,
    args: (port: number) => Object.entries(settings(port)).flatMap(([name, value]) => [`--${name}`, value]),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
