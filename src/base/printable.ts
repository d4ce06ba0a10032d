const MAX_PRINTED = 256;

/** Text from a file as it may stand in a message: short, without control characters. */
export function printable(text: string): string {
  const short = text.length > MAX_PRINTED ? `${text.slice(0, MAX_PRINTED)}…` : text;
  // deno-lint-ignore no-control-regex
  return short.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
