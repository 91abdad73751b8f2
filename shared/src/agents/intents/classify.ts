/** What a request wants, by rules: what it says is weighed against the keywords of each intent. */
import type { Classification, Intent } from '../intent.ts';
import { extractEntities, withoutAddresses } from './entities.ts';
import { keywords } from './keywords.ts';

export type ClassifyOptions = {
  /** Intents that may be given; all of them without it. */
  available?: readonly Intent[] | undefined;
  /** What the user said before this, for a request that is only understood with it. */
  before?: string | undefined;
};

/** What of a long text is looked at, at its beginning and at its end: that is where people say what is to be done with it. */
const LOOKED_AT = 500;
/** Confidence never says that it is certain. */
const MAX_CONFIDENCE = 0.95;
/** Of a text that nothing in it speaks for: talk. */
const TALK = 0.7;
/** Of a text in which words of any talk alone speak for something, and of one whose intents are not to be had. */
const UNSURE = 0.5;
/** Less than this is said by words of any talk. */
const ANY_TALK = 1;
/** What a request has of the one before it. */
const OF_BEFORE = 0.75;

const FOLLOWS =
  /^(?:그럼|그러면|그리고|그건|그거|이번엔|또|and|then|now|what about|how about|same|actually|also|instead)(?![a-z])/;
const CLOSES = /고마워|고맙|감사|안녕|됐어|thank|thanks|hello|hi(?![a-z])|bye|great|perfect/;
const MAX_WORDS = 4;
const MAX_FOLLOWING_WORDS = 8;

type Score = { intent: Intent; score: number; words: string[] };

/** Written one way: letters composed, of one width, small. */
function plain(text: string): string {
  const part = text.length > 2 * LOOKED_AT ? `${text.slice(0, LOOKED_AT)}\n${text.slice(-LOOKED_AT)}` : text;
  return withoutAddresses(part.normalize('NFKC').toLowerCase());
}

/** Those that something speaks for. */
function scoresOf(text: string): Score[] {
  return Array.from(keywords, ([intent, clues]) => {
    const found = clues.flatMap(({ weight, find }) => {
      const words = find(text);
      return words ? [{ weight, words }] : [];
    });
    const words = [...new Set(found.flatMap((one) => one.words.map((word) => word.trim())))];
    return { intent, score: found.reduce((sum, { weight }) => sum + weight, 0), words };
  }).filter(({ score }) => score > 0);
}

/** Whether a text is only understood by what came before it. */
function isEllipsis(text: string, own: Score[]): boolean {
  if (CLOSES.test(text) || own.some(({ intent, score }) => intent === 'chat' && score > 1)) return false;
  const words = text.trim().split(/\s+/).length;
  return words <= MAX_WORDS || (FOLLOWS.test(text.trim()) && words <= MAX_FOLLOWING_WORDS);
}

/** With what a request has of the one before it. */
function continued(own: Score[], before: Score[]): Score[] {
  const [last] = ranked(before);
  if (!last) return own;
  const there = own.find(({ intent }) => intent === last.intent);
  const score = (there?.score ?? 0) + last.score * OF_BEFORE;
  const words = [...(there?.words ?? []), ...last.words.map((word) => `${word} (before)`)];
  return [...own.filter((one) => one !== there), { intent: last.intent, score, words }];
}

/** The likeliest first; a stable order, so that equal ones stay in that of the table. */
const ranked = (scores: Score[]) => scores.toSorted((one, other) => other.score - one.score);

const rounded = (confidence: number) => Math.round(confidence * 100) / 100;

/** How much of all that was found speaks for it, and whether that is much at all. */
function confidenceOf(best: Score, scores: Score[]): number {
  const total = scores.reduce((sum, { score }) => sum + score, 0);
  const share = 0.2 + (0.8 * best.score) / total;
  const confidence = Math.min(share * Math.min(1, 0.35 + 0.22 * best.score), MAX_CONFIDENCE);
  // What speaks for talk makes it no less likely than silence does.
  return best.intent === 'chat' && scores.length === 1 ? Math.max(confidence, TALK) : confidence;
}

const levelOf = (confidence: number) =>
  confidence >= 0.8 ? 'high' : confidence >= 0.6 ? 'medium' : confidence >= 0.4 ? 'low' : 'very low';

const said = ({ intent, words }: Score) => `${intent} (${words.slice(0, 5).join(', ')})`;

type Judgement = { intent: Intent; confidence: number; others: Score[]; why: string };

function judge(scores: Score[]): Judgement {
  const [best, ...others] = ranked(scores);
  if (!best) return { intent: 'chat', confidence: TALK, others, why: 'Nothing in it speaks for a tool.' };
  if (best.score < ANY_TALK) {
    const why = `Only words of any talk speak for ${said(best)}.`;
    return { intent: 'chat', confidence: UNSURE, others: [best, ...others], why };
  }
  return { intent: best.intent, confidence: confidenceOf(best, scores), others, why: `Speaks for ${said(best)}.` };
}

/** The same among those that may be given. Talk is what remains when none of them fits, whether it is among them or not. */
function allowed(judged: Judgement, available: readonly Intent[] | undefined): Judgement {
  if (!available) return judged;
  const { intent, confidence, why } = judged;
  const others = judged.others.filter((other) => available.includes(other.intent));
  if (available.includes(intent)) return { ...judged, others };
  const [next, ...more] = others;
  const refused = `${why} That is not available.`;
  if (!next) return { intent: 'chat', confidence: UNSURE, others, why: refused };
  return { intent: next.intent, confidence: confidence * 0.8, others: more, why: `${refused} Next: ${said(next)}.` };
}

/** Pure: the same request is understood the same way, whoever asked for whatever before. */
export function classify(query: string, { available, before }: ClassifyOptions = {}): Classification {
  const text = plain(query);
  const own = scoresOf(text);
  const scores = before !== undefined && isEllipsis(text, own) ? continued(own, scoresOf(plain(before))) : own;
  const { intent, confidence, others, why } = allowed(judge(scores), available);
  return {
    primary_intent: intent,
    confidence: rounded(confidence),
    secondary_intents: others.slice(0, 2).map((other) => other.intent),
    extracted_entities: extractEntities(query),
    reasoning: `${why} Confidence is ${levelOf(confidence)}.`,
  };
}
