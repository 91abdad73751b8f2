import { onCluster } from './again.ts';

onCluster('api', () => import('../api.test.ts'));
