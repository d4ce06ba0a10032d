/**
 * A small XML reader for the headers of scan formats: elements, attributes, text. No DOCTYPE, so no
 * entities of its own.
 */

import type { DataError } from "../../../base/errors.ts";

/** One element. */
export interface XmlElement {
  /** As written, prefix included. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** All text directly inside, trimmed. */
  readonly text: string;
}

const MAX_DEPTH = 64;
const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

interface Open {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: XmlElement[];
  readonly parts: string[];
}

/** The root element. `fail` makes the error for what stands at a character of the text. */
export function parseXml(
  text: string,
  fail: (at: number, message: string) => DataError,
): XmlElement {
  const open: Open[] = [];
  let root: XmlElement | undefined;
  let at = 0;
  const until = (end: string, what: string): string => {
    const found = text.indexOf(end, at);
    if (found < 0) throw fail(at, `${what} without end`);
    const inside = text.slice(at, found);
    at = found + end.length;
    return inside;
  };
  const close = (name: string): void => {
    const last = open.pop();
    if (last?.name !== name) throw fail(at, `</${name.slice(0, 64)}> closes nothing`);
    const element = { ...last, text: last.parts.join("").trim() };
    if (open.length > 0) open[open.length - 1].children.push(element);
    else root = element;
  };
  while (root === undefined) {
    const next = text.indexOf("<", at);
    if (next < 0) throw fail(text.length, "the XML ends before its root element does");
    const before = text.slice(at, next);
    if (open.length > 0) open[open.length - 1].parts.push(decodeEntities(before));
    at = next + 1;
    if (text.startsWith("?", at)) until("?>", "a processing instruction");
    else if (text.startsWith("!--", at)) until("-->", "a comment");
    else if (text.startsWith("![CDATA[", at)) {
      at += "![CDATA[".length;
      const data = until("]]>", "CDATA");
      open.at(-1)?.parts.push(data);
    } else if (text.startsWith("!", at)) {
      throw fail(next, "a DOCTYPE or other declaration: refused");
    } else if (text.startsWith("/", at)) {
      at++;
      close(until(">", "a closing tag").trim());
    } else {
      const tag = until(">", "a tag");
      const match = /^([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)$/.exec(tag);
      if (match === null) throw fail(next, "a damaged tag");
      const attributes = new Map<string, string>();
      for (
        const [, name, double, single] of match[2].matchAll(
          /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g,
        )
      ) {
        attributes.set(name, decodeEntities(double ?? single));
      }
      if (open.length >= MAX_DEPTH) throw fail(next, `elements nested deeper than ${MAX_DEPTH}`);
      open.push({ name: match[1], attributes, children: [], parts: [] });
      if (match[3] === "/") close(match[1]);
    }
  }
  return root;
}

/** The first child of a name. */
export function child(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((each) => each.name === name);
}

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g,
    (whole, decimal, hex, name) => {
      if (name !== undefined) return ENTITIES[name] ?? whole;
      const code = decimal !== undefined ? Number(decimal) : parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
