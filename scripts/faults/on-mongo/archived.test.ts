import { onMongo } from './again.ts';

onMongo('archived', () => import('../../../apps/api/src/routes/archived.test.ts'));
