import type { AnswerCase } from './answer-case.ts';
export const moreCases: AnswerCase[] = [];
