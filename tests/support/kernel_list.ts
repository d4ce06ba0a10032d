/**
 * The list of generated kernels: for each its name and a hash of its WGSL. A change that is meant
 * to alter none is held to it; one that alters some says which (`deno run -A
 * tests/support/list_kernels.ts`).
 */

import { fromFileUrl } from "@std/path";
import type { Kernel } from "../../src/gpu/kernel.ts";

/** Where the list stands. */
export const KERNEL_LIST = fromFileUrl(new URL("../fixtures/kernels.txt", import.meta.url));

/** WGSL without comments and empty lines: what is said of it may change. */
export function bareCode(code: string): string {
  return code.replace(/\/\/.*$|\/\*[\s\S]*?\*\//gm, "").split("\n")
    .map((line) => line.trim()).filter((line) => line !== "").join("\n");
}

async function hashOf(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes, 0, 8), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** A line for each kernel, "hash name", in the order of the names. */
export async function kernelList(
  kernels: readonly Pick<Kernel, "name" | "code">[],
): Promise<string> {
  const lines = await Promise.all(
    kernels.map(async ({ name, code }) => `${await hashOf(bareCode(code))} ${name}`),
  );
  const byName = (line: string) => `${line.slice(17)} ${line.slice(0, 16)}`;
  const sorted = [...new Set(lines)].sort((a, b) => byName(a) < byName(b) ? -1 : 1);
  return `${sorted.join("\n")}\n`;
}

/**
 * Which kernels a list has that another had not, and the other way round; empty: they are the same.
 */
export function comparison(before: string, after: string): string {
  const lines = (text: string) => text.split("\n").filter((line) => line !== "");
  const [old, now] = [new Set(lines(before)), new Set(lines(after))];
  const names = (of: Set<string>) => new Set([...of].map((line) => line.slice(17)));
  const [oldNames, nowNames] = [names(old), names(now)];
  const gone = [...old].filter((line) => !now.has(line)).map((line) =>
    `${nowNames.has(line.slice(17)) ? "was    " : "gone   "} ${line}`
  );
  const made = [...now].filter((line) => !old.has(line)).map((line) =>
    `${oldNames.has(line.slice(17)) ? "altered" : "new    "} ${line}`
  );
  return [...gone, ...made].join("\n");
}
