/** By which proxy models are called. */
import { z } from 'zod';

/** As curl takes it: without a scheme it is http. Its problems never quote it: it may hold a password. */
const ProxyUrl = z
  .string()
  .trim()
  .transform((text, context) => {
    const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
    if (url && /^https?:$/.test(url.protocol)) return url.href;
    context.addIssue({ code: 'custom', message: 'must be a URL that begins with http:// or https://' });
    return z.NEVER;
  });

const about = `
Model calls go by these proxies; everything else that beanline does, its own health checks included, never does. What this
machine itself serves (\`localhost\`, \`127.…\`, \`::1\`) is called directly, whatever they say: a proxy's loopback is another
machine. So is what \`NO_PROXY\` names; in Docker Compose that must be the model servers beside it
(\`NO_PROXY=ollama\`). \`NODE_USE_ENV_PROXY\` changes nothing.`;

export const ProxyVariables = z
  .object({
    HTTPS_PROXY: ProxyUrl.optional().meta({
      description: 'proxy for model servers at `https://…`: `http://[user:password@]host:port`; unset, `HTTP_PROXY`',
    }),
    HTTP_PROXY: ProxyUrl.optional().meta({ description: 'proxy for model servers at `http://…`' }),
    NO_PROXY: z.string().optional().meta({
      description: 'hosts that are called directly: `host`, `host:port`, `.domain`, with commas between; `*`: all',
    }),
    https_proxy: ProxyUrl.optional().meta({ description: 'the same as `HTTPS_PROXY`, before which it counts' }),
    http_proxy: ProxyUrl.optional().meta({ description: 'the same as `HTTP_PROXY`, before which it counts' }),
    no_proxy: z.string().optional().meta({ description: 'the same as `NO_PROXY`, before which it counts' }),
  })
  .meta({ title: 'Proxies', description: about })
  .transform(({ HTTPS_PROXY, HTTP_PROXY, NO_PROXY, https_proxy, http_proxy, no_proxy }) => ({
    HTTPS_PROXY: https_proxy ?? HTTPS_PROXY,
    HTTP_PROXY: http_proxy ?? HTTP_PROXY,
    NO_PROXY: no_proxy ?? NO_PROXY,
  }));
export type ProxyVariables = z.output<typeof ProxyVariables>;
