/** The store in a real MongoDB, or what stands for one: runs when MONGODB_URI names it. */
import { randomUUID } from 'node:crypto';
import { after, describe } from 'node:test';
import { MongoClient } from 'mongodb';
import { createLog } from '../log.ts';
import { storeContract } from './contract.ts';
import { mongoStore } from './mongo.ts';

const uri = process.env.MONGODB_URI;
const skip = uri === undefined && 'MONGODB_URI names no MongoDB: NOTHING IS PROVED ABOUT MONGODB in this run';
if (skip) process.stderr.write(`${skip}\n`);

const database = `beanline_test_${randomUUID().slice(0, 18)}`;
const log = createLog({ level: 'warn', name: 'test' });

describe('MongoDB', { skip }, () => {
  after(async () => {
    const client = new MongoClient(uri ?? '');
    await client.db(database).dropDatabase();
    await client.close();
  });
  storeContract('the contract', async () => mongoStore({ uri: uri ?? '', database, pool: 10, timeoutMs: 30_000, log }));
});
