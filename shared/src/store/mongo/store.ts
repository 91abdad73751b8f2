/**
 * A store in MongoDB, through the official driver. It needs no transactions: everything is either one document, or written in
 * an order in which a crash leaves nothing that counts twice, is lost or is half there (docs/decisions/0016).
 */
import type { Store } from '../../store.ts';
import { createCollections } from '../collection.ts';
import { type MongoOptions, mongoConnection } from './client.ts';
import { mongoDocuments } from './documents.ts';
import { mongoMessages } from './messages.ts';
import { mongoSessions } from './sessions.ts';
import { mongoTasks } from './tasks.ts';

export function mongoStore(options: MongoOptions): Store {
  const { call, makeOnce, ping, close } = mongoConnection(options);
  const documents = mongoDocuments(call, makeOnce);
  return {
    kind: 'mongo',
    tasks: mongoTasks(call, options.log),
    sessions: mongoSessions(call),
    messages: mongoMessages(call, options.log),
    collection: createCollections(documents),
    purgeDocuments: documents.purge,
    ping,
    close,
  };
}
