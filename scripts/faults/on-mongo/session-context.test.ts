import { onMongo } from './again.ts';

onMongo('session-context', () => import('../session-context.test.ts'));
