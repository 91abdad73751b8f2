import { onMongo } from './again.ts';

onMongo('session-kills-store', () => import('../session-kills-store.test.ts'));
