import { onMongo } from './again.ts';

onMongo('sessions', () => import('../../../apps/api/src/routes/sessions.test.ts'));
