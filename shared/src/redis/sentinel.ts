/**
 * How a connection finds its master behind Sentinels: as ioredis does it, but it never gives up. In ioredis 6.0.0 a watcher
 * closes the connector when the Sentinels announce a new master. A connector that is looking for its master just then
 * takes that for the program's own leaving: its search ends, and its connection with it, for ever.
 */
import { type RedisOptions, SentinelConnector } from 'ioredis';

/** What the types of ioredis keep to themselves. */
type Inside = { connecting: boolean; failoverDetector: { isDisconnected: boolean } | null };

/** The `Connector` of a connection; duplicates get it with the options. Called with `new`, as ioredis does. */
function FollowingConnector(options: ConstructorParameters<typeof SentinelConnector>[0]) {
  const connector = new SentinelConnector(options);
  const inside = connector as unknown as Inside;
  const disconnect = connector.disconnect.bind(connector);
  let closedBy: Inside['failoverDetector'] = null;
  connector.disconnect = () => {
    const { connecting, failoverDetector: watcher } = inside;
    // A watcher marks itself before it closes us; whoever else closes us marks it thereby.
    const byWatcher = watcher?.isDisconnected === true && watcher !== closedBy;
    closedBy = watcher;
    disconnect();
    // The connection there may be is closed; the search for a new one goes on, and asks the Sentinels again.
    if (byWatcher) inside.connecting = connecting;
  };
  return connector;
}

export const Connector = FollowingConnector as unknown as NonNullable<RedisOptions['Connector']>;
