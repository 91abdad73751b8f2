import { onCluster } from './again.ts';

onCluster('worker', () => import('../worker.test.ts'));
