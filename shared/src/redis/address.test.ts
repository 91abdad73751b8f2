import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConfigError, readConfig } from '../config.ts';
import { parseRedisUrl } from './address.ts';

const nobody = { username: undefined, password: undefined };

describe('a REDIS_URL says where Redis is', () => {
  const forms: [string, ReturnType<typeof parseRedisUrl>][] = [
    ['redis://127.0.0.1', { kind: 'single', ...nobody, tls: false, host: '127.0.0.1', port: 6379, db: 0 }],
    ['redis://[::1]:7000/3', { kind: 'single', ...nobody, tls: false, host: '::1', port: 7000, db: 3 }],
    [
      'rediss://anna:p%40ss%3A%2F@cache.example.com:6380',
      { kind: 'single', username: 'anna', password: 'p@ss:/', tls: true, host: 'cache.example.com', port: 6380, db: 0 },
    ],
    [
      'redis://:secret@h',
      { kind: 'single', username: undefined, password: 'secret', tls: false, host: 'h', port: 6379, db: 0 },
    ],
    [
      'redis://:secret@a:7000,b,c:7002',
      {
        kind: 'cluster',
        username: undefined,
        password: 'secret',
        tls: false,
        nodes: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 6379 },
          { host: 'c', port: 7002 },
        ],
      },
    ],
    [
      'rediss+cluster://cfg.example.com:6379',
      { kind: 'cluster', ...nobody, tls: true, nodes: [{ host: 'cfg.example.com', port: 6379 }] },
    ],
    [
      'redis+sentinel://u:p@s1,s2:26380/main/2?sentinel_password=x%20y',
      {
        kind: 'sentinel',
        username: 'u',
        password: 'p',
        tls: false,
        sentinels: [
          { host: 's1', port: 26379 },
          { host: 's2', port: 26380 },
        ],
        master: 'main',
        db: 2,
        sentinelLogin: { username: undefined, password: 'x y' },
      },
    ],
  ];
  for (const [url, address] of forms) test(url, () => assert.deepEqual(parseRedisUrl(url), address));
});

describe('what is wrong with a REDIS_URL is said without repeating it', () => {
  for (const [url, said] of [
    ['http://:canary@h', /must be redis:/],
    ['redis://', /must be redis:/],
    ['redis://:canary@h:99999', /host that is not/],
    ['redis://:canary@h:7000,', /host that is not/],
    ['redis://:canary@h/cache', /database number/],
    ['redis://:canary@h/1/2', /database number/],
    ['redis://:canary@a,b/1', /database 0 only/],
    ['redis://:canary@h?family=6', /not known: family/],
    ['redis+sentinel://:canary@s1', /name the master/],
    ['redis+sentinel://:canary@s1/main?x=1', /not known: x/],
    ['redis://:canary%@h', /percent-encoded/],
  ] as const) {
    test(url, () => {
      assert.throws(
        () => readConfig({ REDIS_URL: url }),
        (error: Error) => {
          assert.ok(error instanceof ConfigError);
          assert.match(error.message, said);
          assert.match(error.message, /^ {2}REDIS_URL: /m);
          assert.doesNotMatch(error.message, /canary/);
          return true;
        },
      );
    });
  }
});

test('new data has one partition on one Redis and 64 on a Cluster, unless told otherwise', () => {
  const partitions = (REDIS_URL: string, more = {}) => readConfig({ REDIS_URL, ...more }).PARTITIONS;
  assert.equal(partitions('redis://a'), 1);
  assert.equal(partitions('redis+sentinel://a/main'), 1);
  assert.equal(partitions('redis://a,b,c'), 64);
  assert.equal(partitions('redis+cluster://a'), 64);
  assert.equal(partitions('redis://a,b,c', { PARTITIONS: '8' }), 8);
  assert.equal(partitions('redis://a', { PARTITIONS: '16' }), 16);
});
