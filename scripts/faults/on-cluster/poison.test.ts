import { onCluster } from './again.ts';

onCluster('poison', () => import('../poison.test.ts'));
