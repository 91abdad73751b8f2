/** What sessions mark a task with. */

/** The session it belongs to. */
export const SESSION = 'session';
/** Of a retry: the turn of the task that asked first, however many retries lie between. In a session they ask one question. */
export const TURN_OF = 'turn_of';
