/** `http_fetch`: the text of a page, or of another text, by its URL. */
import { z } from 'zod';
import { cutMiddle } from '../text/cut-middle.ts';
import { decodeText } from '../text/decode-text.ts';
import { htmlText } from '../text/html-text.ts';
import { defineTool } from '../tool.ts';

/** What a model is shown of a page. */
const MAX_TEXT_BYTES = 16_000;
const TYPES = [
  'text/*',
  ...['application/json', 'application/xml', 'application/xhtml+xml', 'application/rss+xml', 'application/atom+xml'],
  ...['application/ld+json', 'application/javascript', 'application/yaml'],
];
const IS_HTML = new Set(['text/html', 'application/xhtml+xml']);
const URL_IN_TEXT = /https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/i;

export const httpFetch = defineTool({
  name: 'http_fetch',
  title: { en: 'Fetch a URL', ko: 'URL 가져오기' },
  description:
    'Reads a public web page or text by its URL, and gives its text. It reads what is there; it fills in no forms and runs no scripts.',
  descriptionKo: '공개된 웹 페이지나 텍스트를 URL로 읽어 옵니다.',
  intents: ['web_search', 'agent', 'chat'],
  priority: 40,
  effect: 'none',
  input: z.strictObject({
    url: z.string().min(1).max(8_000).meta({ description: 'Where it is, with http:// or https://' }),
  }),
  output: z.object({
    url: z.string().meta({ description: 'Where it was found, after it was sent on' }),
    status: z.int().meta({ description: 'The status of HTTP, such as 200 or 404' }),
    type: z.string().meta({ description: 'Its media type' }),
    title: z.string().meta({ description: 'The title of a page; empty when it has none' }),
    text: z.string().meta({ description: 'Its text, at most 16 kB' }),
    is_cut: z
      .boolean()
      .meta({ description: 'Whether something was left out in the middle of the text, as it says there' }),
  }),
  argumentsOf: (query) => {
    const [url] = URL_IN_TEXT.exec(query) ?? [];
    return url === undefined ? undefined : { url };
  },
  async run({ url }, { fetch, signal }) {
    const { body, charset, type, ...found } = await fetch(url, { signal, types: TYPES });
    const source = decodeText(body, charset);
    const page = IS_HTML.has(type) ? htmlText(source) : { title: '', text: source };
    const { text, isCut } = cutMiddle(page.text, MAX_TEXT_BYTES);
    return { ...found, type, title: cutMiddle(page.title, 500).text, text, is_cut: isCut };
  },
});
