import { onCluster } from './again.ts';

onCluster('relay', () => import('../relay.test.ts'));
