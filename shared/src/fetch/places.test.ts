/** Which addresses are open: every public one, also in the forms that networks of IPv6 alone give them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../config.ts';
import { createPlaces } from './places.ts';

const PUBLIC = [
  ...['1.1.1.1', '8.8.8.8', '93.184.215.14', '100.63.255.255', '100.128.0.1', '172.15.0.1', '172.32.0.1', '11.0.0.1'],
  ...[
    '192.0.1.1',
    '198.17.0.1',
    '223.255.255.254',
    '2606:2800:21f:cb07:6820:80da:af6b:8b2c',
    '2a00:1450:4001:80b::200e',
  ],
  ...['2001:4860:4860::8888', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8'],
];
const none = createPlaces([], new Set([80]), () => []);

for (const address of PUBLIC) test(`${address} is open`, () => assert.equal(none.isOpen(address), true));

test('an address of this machine is not, in whatever form it comes', () => {
  const { isOpen } = createPlaces([], new Set([80]), () => ['93.184.215.14', '2a00:1450::1', 'fe80::1%eth0']);
  for (const address of ['93.184.215.14', '::ffff:93.184.215.14', '64:ff9b::5db8:d70e', '2a00:1450:0::1'])
    assert.equal(isOpen(address), false, address);
  assert.equal(isOpen('93.184.215.15'), true);
});

test('what the operator allows is read as it is meant, and what is not understood is refused at the start', () => {
  const { FETCH_ALLOW: allowed, FETCH_PORTS: ports } = readConfig({
    FETCH_ALLOW: 'Wiki.Internal:8080, 10.1.0.0/16, fd00::/8, [fd00::5]:81, 10.9.9.9:9, 보기.kr:82',
  });
  const places = createPlaces(allowed, ports);
  for (const [host, port, isNamed] of [
    ['wiki.internal', 8080, true],
    ['wiki.internal', 80, false],
    ['[fd00::5]', 81, true],
    ['10.9.9.9', 9, true],
    ['xn--ok0b03z.kr', 82, true],
    ['xn--ok0b03z.kr', 83, false],
  ] as const)
    assert.equal(places.isNamed(host, port), isNamed, `${host}:${port}`);
  for (const address of ['10.1.2.3', 'fd12::1', '::ffff:10.1.2.3']) assert.equal(places.isOpen(address), true, address);
  for (const address of ['10.2.0.1', '10.9.9.9', 'fe80::1']) assert.equal(places.isOpen(address), false, address);
  for (const FETCH_ALLOW of ['http://a.b', 'a b', '*.example.com', '10.0.0.0/33', 'a:0', 'a:99999', 'a/b', '@'])
    assert.throws(() => readConfig({ FETCH_ALLOW }), /FETCH_ALLOW: .* is no host/, FETCH_ALLOW);
  for (const FETCH_NAME_SERVERS of ['9.9.9.9', '9.9.9.9:53,[2620:fe::fe]:53', '2620:fe::fe'])
    assert.deepEqual(readConfig({ FETCH_NAME_SERVERS }).FETCH_NAME_SERVERS, FETCH_NAME_SERVERS.split(','));
  for (const FETCH_NAME_SERVERS of ['dns.example', '9.9.9.9:x', 'x:53'])
    assert.throws(() => readConfig({ FETCH_NAME_SERVERS }), /FETCH_NAME_SERVERS: must be addresses/);
  for (const FETCH_PORTS of ['0', '65536', 'x', '80;443', ','])
    assert.throws(() => readConfig({ FETCH_PORTS }), /ports/);
});
