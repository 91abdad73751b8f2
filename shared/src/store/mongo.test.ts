/** The contract of the store, with a MongoDB or what stands for one. */
import { after, describe } from 'node:test';
import { storeContract } from './contract.ts';
import { testDatabase, withoutMongo } from './mongo-test-database.ts';

describe('MongoDB', { skip: withoutMongo }, () => {
  const { store, drop } = testDatabase();
  after(drop);
  storeContract('the contract of the store', async () => store());
});
