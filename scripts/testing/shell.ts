/** One bash for several commands, which keeps their variables as a person's terminal does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Where the output of a command ends, before its exit code. */
const END = '\x1e';
/** A status of 400 or more is a failure, and its body is printed all the same unless the command says `-sf`. */
const SETUP = `set -o pipefail
curl() { case " $* " in *" -sf "*) command curl "$@" ;; *) command curl --fail-with-body "$@" ;; esac; }
`;

export function openShell(options: { cwd: string; env: NodeJS.ProcessEnv }) {
  const child = spawn('bash', ['--noprofile', '--norc'], { ...options, stdio: 'pipe' });
  const exited = once(child, 'exit');
  child.stdin.write(SETUP);
  let output = '';
  let heard = () => {};
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      heard();
    });

  return {
    /** Runs a command to its end. `output` is what it wrote to both of its streams. */
    async run(command: string): Promise<{ output: string; code: number }> {
      output = '';
      const quoted = `'${command.replaceAll("'", `'\\''`)}'`;
      child.stdin.write(`eval ${quoted} 2>&1 </dev/null; printf '${END}%s\\n' "$?"\n`);
      for (;;) {
        const [, printed, code] = new RegExp(`^([^]*)${END}(\\d+)\n`).exec(output) ?? [];
        if (printed !== undefined) return { output: printed, code: Number(code) };
        await Promise.race([
          new Promise<void>((resolve) => {
            heard = resolve;
          }),
          exited.then(() => Promise.reject(new Error(`the shell ended: ${output}`))),
        ]);
      }
    },
    async close(): Promise<void> {
      child.stdin.end();
      await exited;
    },
  };
}
