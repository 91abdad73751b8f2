import { onMongo } from './again.ts';

onMongo('crash-archive-store', () => import('../crash-archive-store.test.ts'));
