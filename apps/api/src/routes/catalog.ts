/** Every route, in the order of the document. Adding one is a file beside these and a line here. */
import type { AddRoute } from '../http/route.ts';
import { intentsRoute } from './agents/intents.ts';
import { toolRoutes } from './agents/tools.ts';
import { indexRoute, openApiRoute } from './docs/openapi.ts';
import { viewerRoutes } from './docs/viewer.ts';
import { healthRoute } from './health.ts';
import { readinessRoute } from './readiness.ts';
import { createSessionRoute } from './sessions/create-session.ts';
import { deleteSessionRoute } from './sessions/delete-session.ts';
import { listSessionsRoute } from './sessions/list-sessions.ts';
import { postMessageRoute } from './sessions/post-message.ts';
import { preferencesRoutes } from './sessions/preferences.ts';
import { readMessagesRoute } from './sessions/read-messages.ts';
import { readSessionRoute } from './sessions/read-session.ts';
import { readSummaryRoute } from './sessions/read-summary.ts';
import { renameSessionRoute } from './sessions/rename-session.ts';
import { sessionTaskRoutes } from './sessions/session-tasks.ts';
import { retryTaskRoute } from './submit/retry-task.ts';
import { submitJobTypeRoutes } from './submit/submit-job-type.ts';
import { submitTaskRoute } from './submit/submit-task.ts';
import { answerApprovalRoute } from './tasks/answer-approval.ts';
import { cancelTaskRoute } from './tasks/cancel-task.ts';
import { listTasksRoute } from './tasks/list-tasks.ts';
import { postTaskMessageRoute } from './tasks/post-message.ts';
import { readEventsRoute } from './tasks/read-events.ts';
import { readTaskRoute } from './tasks/read-task.ts';

export const routes: readonly AddRoute[] = [
  submitJobTypeRoutes,
  sessionTaskRoutes,
  submitTaskRoute,
  retryTaskRoute,
  intentsRoute,

  listTasksRoute,
  readTaskRoute,
  cancelTaskRoute,
  answerApprovalRoute,
  postTaskMessageRoute,
  readEventsRoute,

  createSessionRoute,
  listSessionsRoute,
  readSessionRoute,
  deleteSessionRoute,
  renameSessionRoute,
  readSummaryRoute,
  readMessagesRoute,
  postMessageRoute,
  preferencesRoutes,

  toolRoutes,

  healthRoute,
  readinessRoute,

  indexRoute,
  openApiRoute,
  viewerRoutes,
];
