/** Rooms are looked into from above. */

const SLAB = 0.12;
const SHARE = 0.05;
const SMALLEST_ROOM = 2.5;

/**
 * The share of a scene's height to show, 0 to 1, so that no ceiling hides what is under it: less
 * than all for what is as wide as a room and has many points right under its top and right above
 * its bottom.
 *
 * @param positions (N, 3) metres.
 */
export function shownHeight(positions: ArrayLike<number>): number {
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (let i = 0; i < positions.length; i++) {
    low[i % 3] = Math.min(low[i % 3], positions[i]);
    high[i % 3] = Math.max(high[i % 3], positions[i]);
  }
  const [wide, deep, tall] = high.map((value, k) => value - low[k]);
  if (!(Math.min(wide, deep) >= SMALLEST_ROOM)) return 1;
  let top = 0, bottom = 0;
  for (let i = 2; i < positions.length; i += 3) {
    if (positions[i] > high[2] - SLAB * tall) top++;
    if (positions[i] < low[2] + SLAB * tall) bottom++;
  }
  const enough = SHARE * positions.length / 3;
  return top >= enough && bottom >= enough ? 1 - SLAB : 1;
}
