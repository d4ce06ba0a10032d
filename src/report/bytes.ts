/** Typed arrays as text that a page can hold: one after another, gzip, base64. */

import type { Section } from "./report_data.ts";

/**
 * Collects typed arrays; each begins at a multiple of 4 bytes, so that it can be viewed in place.
 */
export class ByteCollector {
  readonly #parts: { offset: number; data: ArrayBufferView }[] = [];
  #size = 0;

  /** Says where `data` will lie. */
  add(data: Int8Array | Uint8Array | Int16Array | Int32Array | Uint32Array): Section {
    const section = { offset: this.#size, length: data.length };
    this.#parts.push({ offset: this.#size, data });
    this.#size += Math.ceil(data.byteLength / 4) * 4;
    return section;
  }

  /** All of them. */
  bytes(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.#size);
    for (const { offset, data } of this.#parts) {
      out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    }
    return out;
  }
}

/** gzip in base64, which may stand anywhere in HTML. */
export async function packBytes(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const zipped = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(zipped).arrayBuffer()).toBase64();
}

/** What `packBytes` packed. Runs in the page too. */
export async function unpackBytes(text: string): Promise<ArrayBuffer> {
  const zipped = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).arrayBuffer();
}
