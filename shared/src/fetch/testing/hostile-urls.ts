/**
 * URLs that would reach what is not public, by the trick they use. `PORT` stands for the port of a server on this machine, and
 * `names` for what a name server of theirs would say.
 */
export const names: Record<string, string[]> = {
  'loopback.example': ['127.0.0.1'],
  'loopback6.example': ['::1'],
  'any.example': ['0.0.0.0'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'mapped-hex.example': ['::ffff:7f00:1'],
  'compatible.example': ['::7f00:1'],
  'nat64.example': ['64:ff9b::7f00:1'],
  'sixtofour.example': ['2002:7f00:1::'],
  'teredo.example': ['2001:0:4136:e378:8000:63bf:80ff:fffe'],
  'ula.example': ['fd12:3456:789a::1'],
  'link.example': ['fe80::1'],
  'private.example': ['10.0.0.5'],
  'both.example': ['10.0.0.5', '::1', '192.168.1.1'],
  'garbage.example': ['not an address', ''],
  'nobody.example': [],
  '127.0.0.1.nip.example': ['127.0.0.1'],
  'metadata.google.internal': ['169.254.169.254'],
  'kubernetes.default.svc': ['10.96.0.1'],
  'host.docker.internal': ['192.168.65.254'],
  localhost: ['127.0.0.1', '::1'],
  'localhost.': ['127.0.0.1'],
  'inner.localhost': ['127.0.0.1'],
  'ip6-localhost': ['::1'],
  redis: ['172.18.0.2'],
};

const at = (...hosts: string[]) => hosts.map((host) => `http://${host}:PORT/`);

/** By trick. */
export const hostileUrls: Record<string, string[]> = {
  'spellings of loopback': at(
    ...['127.0.0.1', '127.1', '127.0.1', '127.0.0.1.', '127.000.000.001', '127.255.255.254', '127.0.0.0'],
    ...['2130706433', '0x7f000001', '0x7F.0.0.1', '0x7f.1', '0177.0.0.1', '0177.0.0.01', '017700000001'],
    ...[
      '0',
      '0.0.0.0',
      '0x0',
      '00.0',
      '%31%32%37.0.0.1',
      '127%2e0%2e0%2e1',
      '127。0。0。1',
      '１２７.０.０.１',
      '①②⑦.⓪.⓪.①',
    ],
  ),
  'IPv6 that is this machine': at(
    ...[
      '[::1]',
      '[::]',
      '[0:0:0:0:0:0:0:1]',
      '[0000::0001]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[::FFFF:7F00:0001]',
    ],
    ...['[::127.0.0.1]', '[::7f00:1]', '[0:0:0:0:0:ffff:127.0.0.1]', '[::ffff:0.0.0.0]', '[::ffff:0:127.0.0.1]'],
  ),
  'IPv4 inside of IPv6': at(
    ...[
      '[64:ff9b::127.0.0.1]',
      '[64:ff9b::7f00:1]',
      '[64:ff9b::a9fe:a9fe]',
      '[64:ff9b::10.0.0.1]',
      '[64:ff9b:1::7f00:1]',
    ],
    ...['[2002:7f00:1::]', '[2002:a9fe:a9fe::1]', '[2002:c0a8:101::]', '[2001:0:7f00:1::]', '[2001::7f00:1]'],
  ),
  'networks of IPv6 that are not public': at(
    ...['[fe80::1]', '[fec0::1]', '[fc00::1]', '[fd00::1]', '[ff02::1]', '[2001:db8::1]', '[3fff::1]', '[100::1]'],
    ...['[2001:10::1]', '[2001:20::1]', '[2001:2::1]', '[5f00::1]', '[4000::1]', '[8000::1]', '[2001:1::1]'],
  ),
  'networks of IPv4 that are not public': at(
    ...['10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.254', '192.168.0.1', '100.64.0.1', '100.127.255.254'],
    ...[
      '169.254.0.1',
      '192.0.0.1',
      '192.0.0.170',
      '192.0.2.1',
      '198.51.100.1',
      '203.0.113.1',
      '198.18.0.1',
      '198.19.255.1',
    ],
    ...['192.88.99.1', '192.175.48.1', '192.31.196.1', '192.52.193.1', '224.0.0.1', '239.255.255.250', '240.0.0.1'],
    ...['255.255.255.255', '0.1.2.3', '0xa000001', '3232235777'],
  ),
  'services that give away the secrets of a machine': at(
    ...['169.254.169.254', '2852039166', '0xa9fea9fe', '[::ffff:169.254.169.254]', '[fd00:ec2::254]', '[fd20:ce::254]'],
    ...[
      '100.100.100.200',
      '192.0.0.192',
      '168.63.129.16',
      '169.254.170.2',
      '[fe80::a9fe:a9fe]',
      'metadata.google.internal',
    ],
  ),
  'names that lead inside': at(
    ...Object.keys(names),
    ...['LOCALHOST', 'LocalHost.', 'ⓛocalhost', 'LOOPBACK.example', 'unknown.example', 'xn--nothing-here.example'],
  ),
  'schemes that are none of the web': [
    ...['file:///etc/passwd', 'file://127.0.0.1/etc/passwd', 'ftp://127.0.0.1:PORT/', 'gopher://127.0.0.1:PORT/_GET'],
    ...['dict://127.0.0.1:PORT/info', 'ldap://127.0.0.1:PORT/', 'ws://127.0.0.1:PORT/', 'wss://127.0.0.1:PORT/'],
    ...[
      'data:text/html,hello',
      'javascript:1',
      'blob:http://127.0.0.1:PORT/a',
      'about:blank',
      'jar:http://127.0.0.1:PORT!/',
    ],
    ...['unix:/var/run/docker.sock', 'redis://127.0.0.1:PORT', 'view-source:http://127.0.0.1:PORT/', 'php://input'],
    ...['', ' ', 'x', '//127.0.0.1:PORT/', '/etc/passwd', '127.0.0.1:PORT', 'http://', 'http:///', 'http://:PORT/'],
  ],
  'URLs that two readers read differently': [
    ...['http:127.0.0.1:PORT/', 'http:/127.0.0.1:PORT/', 'http:\\\\127.0.0.1:PORT\\', 'hTTp://127.0.0.1:PORT/'],
    ...[
      ' http://127.0.0.1:PORT/',
      'ht\ntp://127.0.0.1:PORT/',
      'http://127.0.\t0.1:PORT/',
      'http://127.0.0.1:PORT#@example.com/',
    ],
    ...[
      'http://127.0.0.1:PORT?@example.com/',
      'http://127.0.0.1:PORT\\@example.com/',
      'http://127.0.0.1:PORT/@example.com',
    ],
    ...['http://example.com@127.0.0.1:PORT/', 'http://user:word@127.0.0.1:PORT/', 'http://127.0.0.1:PORT@example.com/'],
    ...[
      'http://:word@127.0.0.1:PORT/',
      'http://example.com%40127.0.0.1:PORT/',
      'http://example.com%2f@127.0.0.1:PORT/',
    ],
    ...['http://127.0.0.1%00.example.com:PORT/', 'http://127.0.0.1%0d%0a.example.com:PORT/', 'http://[::1%25lo]:PORT/'],
    ...[
      'http://[::1].example.com:PORT/',
      'http://[fe80::1%25eth0]:PORT/',
      'http://127.0.0.1:PORT/\r\nHost: example.com',
    ],
    ...[
      'http://127.0.0.1:0PORT/',
      'http://127.0.0.1:00000PORT/',
      'https://127.0.0.1:PORT/',
      'https://loopback.example:PORT/',
    ],
  ],
  'ports of other services': [
    ...['22', '25', '6379', '27017', '11211', '2375', '9200', '5432', '0', '65536', '99999'].map(
      (port) => `http://93.184.215.14:${port}/`,
    ),
    ...['https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:22/', 'http://example.com:6379/'],
  ],
};
