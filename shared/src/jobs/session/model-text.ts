/** What job types make of a model's text. */
import type { JobType } from '../../job-type.ts';

type Llm = Parameters<JobType['run']>[1]['llm'];

/** Models that think first need room for it; others stop by themselves. */
const MAX_TOKENS = 4_000;
/** Characters between two looks at what there is. */
const LOOK_AFTER = 500;

const NAME = '(?:\\w+[:_])?(?:think|thinking|thoughts?|reason|reasoning|reflection)';
const THINK = 'think|thinking';
/** Where thoughts begin and end, as models mark them. `[reason]` may be a word like any other. */
const OPENING = new RegExp(
  `<\\|?${NAME}(?:\\s[^>]*)?>|<\\|start_${NAME}\\|>|<\\|${NAME}\\|>|\\[(?:${THINK})\\]|◁(?:${THINK})▷|<\\|channel\\|>(?:analysis|commentary)<\\|message\\|>`,
  'i',
);
const CLOSING = new RegExp(
  `<\\|?/${NAME}\\s*\\|?>|<\\|end_${NAME}\\|>|\\[/(?:${THINK})\\]|◁/(?:${THINK})▷|<\\|channel\\|>final<\\|message\\|>`,
  'i',
);

/**
 * Without what it thought aloud: also when it was cut off while thinking, and when only the end of its thoughts is marked,
 * because their beginning stood in the prompt.
 */
export function withoutThoughts(text: string): string {
  let rest = text;
  let said = '';
  for (;;) {
    const closing = CLOSING.exec(rest);
    const opening = OPENING.exec(rest);
    if (closing && (!opening || closing.index < opening.index)) {
      said = '';
      rest = rest.slice(closing.index + closing[0].length);
    } else if (opening) {
      said += rest.slice(0, opening.index);
      const thought = rest.slice(opening.index + opening[0].length);
      const end = CLOSING.exec(thought);
      if (!end) return said.trim();
      rest = thought.slice(end.index + end[0].length);
    } else return (said + rest).trim();
  }
}

/** What a model says, without its thoughts. One that says much more than `enough` characters is not heard to its end. */
export async function ask(
  llm: Llm,
  { model, system, user, enough }: { model: string | undefined; system: string; user: string; enough: number },
): Promise<string> {
  const messages = [
    { role: 'system' as const, content: system },
    { role: 'user' as const, content: user },
  ];
  let answer = '';
  let lookAt = enough + LOOK_AFTER;
  for await (const { text } of llm.chat({ model, messages, temperature: 0.2, max_tokens: MAX_TOKENS })) {
    answer += text;
    if (answer.length < lookAt) continue;
    if (withoutThoughts(answer).length > enough) break;
    lookAt = answer.length + LOOK_AFTER;
  }
  return withoutThoughts(answer);
}

/** At most so many letters, none of them halved; what is cut off shows. */
export function cut(text: string, max: number): string {
  const letters = [...text.slice(0, 2 * max + 2)];
  return letters.length > max ? `${letters.slice(0, max - 1).join('')}…` : text;
}
