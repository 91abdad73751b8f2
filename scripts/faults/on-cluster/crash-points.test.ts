import { onCluster } from './again.ts';

onCluster('crash-points', () => import('../crash-points.test.ts'));
