import { assert } from "@std/assert";
import { computesWide } from "../../src/gpu/driver.ts";

const cpuinfo = (flags: string) =>
  `processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: ${flags}\nbugs\t\t: none\n\nprocessor\t: 1\nflags\t\t: fpu\n`;

Deno.test("a processor computes 16 numbers at once where it says so", () => {
  assert(computesWide(cpuinfo("fpu avx2 avx512f avx512dq avx512ifma avx512bw avx512vl")));
  // The first AVX-512 processors lack the parts for shorter vectors; others have 256 bits alone.
  assert(!computesWide(cpuinfo("fpu avx2 avx512f avx512cd avx512pf avx512er")));
  assert(!computesWide(cpuinfo("fpu sse2 avx2")));
  assert(!computesWide("processor\t: 0\nFeatures\t: fp asimd sve\n"));
  assert(!computesWide(""));
});
