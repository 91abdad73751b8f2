/** Every tool that is built in. Adding one is a file beside this and a line here. */
import type { Tool } from '../tool.ts';
import { calculator } from './calculator.ts';
import { chat } from './chat.ts';
import { code } from './code.ts';
import { currentTime } from './current-time.ts';
import { httpFetch } from './http-fetch.ts';
import { sessionSearch } from './session-search.ts';

export const tools: readonly Tool[] = [chat, code, calculator, currentTime, httpFetch, sessionSearch];
