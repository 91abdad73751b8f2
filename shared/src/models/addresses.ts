/** Where models are: the forms of a server's address and key, and the list of further servers. */
import { z } from 'zod';

/** What is wrong with the address of a model server. Never quotes it: it may hold a key. */
export function addressProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) return 'must be a URL that begins with http:// or https://';
  if (url.username || url.password) return 'must hold no user name or password: no request could be sent to it';
  return undefined;
}

/** A key that can stand in a header. */
export const ApiKey = z
  .string()
  .trim()
  .regex(/^[\x21-\x7e]+$/, 'has characters that cannot be sent');

/** The base URL of a server that speaks like OpenAI's. */
export const ModelServerUrl = z.string().superRefine((text, context) => {
  const message = addressProblem(text);
  if (message) context.addIssue({ code: 'custom', message });
});

/** A further server that speaks like OpenAI's. `keyVariable` names the variable that holds its key. */
export type ListedProvider = { name: string; baseURL: string; keyVariable?: string; apiKey?: string };

/**
 * `name=url,name=KEY_VARIABLE@url`: no sign in it means anything to a shell or an env file. An entry that is wrong is named
 * by its place and, when it has one, its name. `taken` are the names of other providers.
 */
export const providerList = (taken: readonly string[]) =>
  z
    .string()
    .transform((text, context) => {
      const providers: ListedProvider[] = [];
      const entries = text.split(',').map((entry) => entry.trim());
      for (const [index, entry] of entries.entries()) {
        if (entry === '') continue;
        const [, name, keyVariable, baseURL = ''] = /^([a-z][a-z0-9_.-]{0,31})=(?:([^@:/]*)@)?(.*)$/s.exec(entry) ?? [];
        const complain = (message: string) => {
          const which = name === undefined ? `entry ${index + 1}` : `entry ${index + 1} ("${name}")`;
          context.addIssue({ code: 'custom', message: `${which} ${message}` });
        };
        const problem = addressProblem(baseURL);
        if (name === undefined)
          complain('is not name=url or name=KEY_VARIABLE@url, the name in lower case, such as vllm=http://gpu:8000/v1');
        else if (taken.includes(name)) complain(`has a name that is taken: ${taken.join(', ')}`);
        else if (providers.some((provider) => provider.name === name)) complain('has the name of an entry before it');
        else if (problem) complain(problem);
        else if (keyVariable !== undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(keyVariable))
          complain('must give the name of the variable that holds the key before @, not the key');
        else providers.push({ name, baseURL, ...(keyVariable === undefined ? {} : { keyVariable }) });
      }
      return providers;
    })
    .default([]);

/** The providers with their keys, which are read from the variables they name; `complain` is told of those that are missing. */
export function withKeys(
  providers: ListedProvider[],
  env: Record<string, unknown>,
  complain: (message: string) => void,
): ListedProvider[] {
  return providers.map((provider) => {
    if (provider.keyVariable === undefined) return provider;
    const value = env[provider.keyVariable];
    const key = ApiKey.safeParse(value);
    const wrong = value === undefined ? 'is not set' : key.error?.issues[0]?.message;
    if (wrong) complain(`"${provider.name}" needs ${provider.keyVariable}, which ${wrong}`);
    return key.data === undefined ? provider : { ...provider, apiKey: key.data };
  });
}
