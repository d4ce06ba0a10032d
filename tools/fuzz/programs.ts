/** The project's programs as processes. */

import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** How a process ended. */
export interface Ended {
  readonly code: number;
  /** What ended it, where a signal did. */
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

/** Starts one of the project's programs. */
export function start(script: string, args: readonly string[], cwd: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "-A", join(ROOT, script), ...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
}

/** Waits for a process to end. */
export async function end(child: Deno.ChildProcess): Promise<Ended> {
  const { code, signal, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, signal, out: text(stdout), err: text(stderr) };
}

/** Sends a signal, if the process is still there. */
export function signal(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch {
    // it has ended by itself meanwhile
  }
}

/** What no program may ever show a person; null: nothing of it. */
export function outputProblem({ out, err }: Ended): string | null {
  const all = out + err;
  if (all.includes("This is a fault in dbbd")) return `calls itself a fault: ${err}`;
  if (/^ {4}at /m.test(all)) return `a stack trace: ${all}`;
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(all)) {
    return `control characters: ${JSON.stringify(all)}`;
  }
  return null;
}
