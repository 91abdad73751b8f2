import { onMongo } from './again.ts';

onMongo('sessions-list', () => import('../../../apps/api/src/routes/sessions-list.test.ts'));
