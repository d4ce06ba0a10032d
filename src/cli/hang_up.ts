/** What becomes of a program when its terminal is closed. */

/** What a file of /proc says of this process; empty where there is none. */
function ofThisProcess(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/**
 * Whether this process was started by nohup: then it goes on when its terminal is closed. Either it
 * ignores SIGHUP, or, where a program in between has taken that back (npx does), its standard input
 * is what nohup puts there: /dev/null, for writing.
 */
export function startedByNohup(): boolean {
  return nohup ??= looksLikeNohup();
}

/** Asked once: a listener changes what the system says. */
let nohup: boolean | undefined;

function looksLikeNohup(): boolean {
  const status = ofThisProcess(() => Deno.readTextFileSync("/proc/self/status"));
  const ignored = /^SigIgn:\s*[0-9a-f]*([0-9a-f])$/m.exec(status)?.[1] ?? "0";
  if ((parseInt(ignored, 16) & 1) === 1) return true;
  const input = ofThisProcess(() => Deno.readLinkSync("/proc/self/fd/0"));
  const flags = /^flags:\s*([0-7]+)$/m.exec(
    ofThisProcess(() => Deno.readTextFileSync("/proc/self/fdinfo/0")),
  )?.[1] ?? "0";
  return input === "/dev/null" && (parseInt(flags, 8) & 3) === 1;
}

/**
 * Keeps nohup's promise: Deno would end at SIGHUP once it listens to any signal, whatever nohup has
 * set.
 */
export function keepNohup(): void {
  if (Deno.build.os !== "windows" && startedByNohup()) Deno.addSignalListener("SIGHUP", () => {});
}
