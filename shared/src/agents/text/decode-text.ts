/** Bytes as text, in the encoding that somebody says they are in. */

/** Pages say it themselves within so many bytes. */
const LOOKED_AT = 1_024;
const SAYS =
  /<meta[^>]{1,200}charset\s*=\s*["']?([\w.:-]{1,40})|^\s*<\?xml[^>]{1,200}encoding\s*=\s*["']([\w.:-]{1,40})/i;

function decoderOf(label: string | undefined) {
  try {
    return label === undefined ? undefined : new TextDecoder(label);
  } catch {
    return undefined;
  }
}

/** By its byte order mark, by `charset`, by what the page says, else as UTF-8; what cannot be read becomes U+FFFD. */
export function decodeText(bytes: Buffer, charset: string | undefined): string {
  const mark = /^(?:efbbbf|fffe|feff)/.exec(bytes.toString('hex', 0, 3))?.[0];
  if (mark) return new TextDecoder({ efbbbf: 'utf-8', fffe: 'utf-16le', feff: 'utf-16be' }[mark]).decode(bytes);
  const [, said, declared] = SAYS.exec(bytes.toString('latin1', 0, LOOKED_AT)) ?? [];
  const decoder = decoderOf(charset) ?? decoderOf(said ?? declared) ?? new TextDecoder();
  return decoder.decode(bytes);
}
