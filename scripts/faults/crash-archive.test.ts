/** A relay dies between two writes of the archive: the next one finishes what it began, and no task is lost, repeated or dropped early. */
import { describe } from 'node:test';
import { archiveDeaths } from './archive-deaths.ts';

const { diesAfter } = archiveDeaths();

describe('a relay that dies right after', () => {
  diesAfter('outbox.registerSink');
  diesAfter('outbox.read');
  diesAfter('endedTasks.load');
  diesAfter('retention.keep');
  diesAfter('outbox.confirm');
  diesAfter('retention.removeExpired');
});
