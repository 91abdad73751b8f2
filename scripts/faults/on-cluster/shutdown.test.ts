import { onCluster } from './again.ts';

onCluster('shutdown', () => import('../shutdown.test.ts'));
