import { onCluster } from './again.ts';

onCluster('cancel', () => import('../cancel.test.ts'));
