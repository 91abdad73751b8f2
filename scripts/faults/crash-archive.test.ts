/** A relay dies between two writes of the archive: the next one finishes what it began, and no task is lost, repeated or dropped early. */
import { describe } from 'node:test';
import { archiveDeaths } from './archive-deaths.ts';

const { diesAfter } = archiveDeaths();

describe('a relay that dies right after', () => {
  diesAfter('schedule.registerSink');
  diesAfter('schedule.readBus');
  diesAfter('endedTasks.load');
  diesAfter('schedule.keep');
  diesAfter('schedule.confirmBus');
  diesAfter('schedule.removeExpired');
});
