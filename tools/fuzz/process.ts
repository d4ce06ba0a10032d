/** Programs of this repository as processes of their own. */

import { fromFileUrl, join } from "@std/path";

/** The repository. */
export const ROOT: string = fromFileUrl(new URL("../..", import.meta.url));

/** What became of a process. */
export interface Ended {
  /** Exit code; above 128 for a signal. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Starts a program, its outputs piped. */
export function start(script: string, args: readonly string[], cwd: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "-A",
      "--config",
      join(ROOT, "deno.json"),
      join(ROOT, script),
      ...args,
    ],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
}

/** Waits for a program's end, at most `seconds`; after that it is killed, and the code is -1. */
export async function ended(child: Deno.ChildProcess, seconds: number): Promise<Ended> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, 1000 * seconds);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: late ? -1 : code, out: text(stdout), err: text(stderr) };
}

/** What nobody should see of a program that ended by itself; null: nothing. */
export function unseemly({ code, out, err }: Ended): string | null {
  const text = out + err;
  if (code === -1) return "did not end";
  if (/^\s+at .+:\d+:\d+/m.test(text) || text.includes("This is a fault in dbbd")) return "a trace";
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text)) return "control characters";
  return [0, 1, 2, 130].includes(code) ? null : `exit code ${code}`;
}
