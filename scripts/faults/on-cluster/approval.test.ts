import { onCluster } from './again.ts';

onCluster('approval', () => import('../approval.test.ts'));
