/**
 * Repetition and choice in WGSL files, resolved before compiling: register tiles need unrolled
 * code, which WGSL cannot say. Directives are comment lines, so the file stays readable WGSL:
 *
 * ```wgsl
 * //! for r in ROWS
 *   var sum_$r = vec4f();
 * //! end
 * //! if GATHER
 *   sum_0 += init[row];
 * //! end
 * ```
 *
 * Names after `in` and `if` are the kernel's constants; blocks nest; `$r` is replaced by 0 … ROWS −
 * 1.
 */

/**
 * Numbers put before the source as module constants; this is how a kernel is specialised. Whole
 * numbers become u32, others f32.
 */
export type KernelConstants = Readonly<Record<string, number | boolean>>;

interface Block {
  readonly kind: "root" | "for" | "if";
  /** Loop variable. */
  readonly variable: string;
  readonly constant: string;
  readonly parts: (string | Block)[];
}

function parse(source: string): Block {
  const root: Block = { kind: "root", variable: "", constant: "", parts: [] };
  const stack = [root];
  source.split("\n").forEach((line, i) => {
    const directive = /^\s*\/\/!\s*(\w+)\s*(.*)$/.exec(line);
    if (!directive) {
      stack.at(-1)!.parts.push(line);
      return;
    }
    const [, word, rest] = directive;
    const loop = /^(\w+)\s+in\s+(\w+)\s*$/.exec(rest);
    if (word === "end" && stack.length > 1) stack.pop();
    else if ((word === "for" && loop) || (word === "if" && /^!?\w+\s*$/.test(rest))) {
      const block: Block = {
        kind: word === "for" ? "for" : "if",
        variable: loop?.[1] ?? "",
        constant: loop?.[2] ?? rest.trim(),
        parts: [],
      };
      stack.at(-1)!.parts.push(block);
      stack.push(block);
    } else throw new Error(`Line ${i + 1} of a shader: unknown directive "${line.trim()}"`);
  });
  if (stack.length > 1) throw new Error(`A shader's block "${stack.at(-1)!.constant}" has no end`);
  return root;
}

/** Resolve the directives of a WGSL file with the constants it is specialised by. */
export function expandTemplate(source: string, constants: KernelConstants): string {
  const lines: string[] = [];
  const value = (name: string) => {
    if (!(name in constants)) throw new Error(`A shader's directive needs the constant ${name}`);
    return constants[name];
  };
  const emit = (block: Block, bound: readonly [string, number][]) => {
    for (const part of block.parts) {
      if (typeof part === "string") {
        lines.push(
          bound.reduce((text, [name, n]) => text.replaceAll(`$${name}`, String(n)), part),
        );
      } else if (part.kind === "for") {
        for (let n = 0; n < Number(value(part.constant)); n++) {
          emit(part, [...bound, [part.variable, n]]);
        }
      } else {
        const negated = part.constant.startsWith("!");
        if (Boolean(value(part.constant.replace("!", ""))) !== negated) emit(part, bound);
      }
    }
  };
  emit(parse(source), []);
  return lines.join("\n");
}
