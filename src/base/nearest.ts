/** "Did you mean …?" */

import { closestString } from "@std/text/closest-string";

/** The one of `known` that `word` is most likely meant to be. */
export function nearest(word: string, known: readonly string[]): string {
  const clipped = word.slice(0, 64);
  // "epochs" means num_epochs, though "seed" takes fewer letters to reach.
  const inside = known.filter((name) => clipped.length > 3 && name.includes(clipped.toLowerCase()));
  return closestString(clipped, inside.length > 0 ? [...inside] : [...known]);
}
