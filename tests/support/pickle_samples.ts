/**
 * Small pickles by name, made by Python (`fixtures/make_pickles.py`). Those named `refused: …` hold
 * no data.
 */

import pickles from "../fixtures/pickles.json" with { type: "json" };

export const pickleSamples: ReadonlyMap<string, Uint8Array> = new Map(
  Object.entries(pickles).map((
    [name, text],
  ) => [name, Uint8Array.from(atob(text), (character) => character.charCodeAt(0))]),
);
