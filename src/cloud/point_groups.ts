/** Points that share a triple of integers: the same place, the same voxel. */

/**
 * Which group each point is in. Groups are numbered in the order in which their first points come.
 */
export interface PointGroups {
  readonly count: number;
  /** (N) */
  readonly groupOf: Uint32Array;
}

/**
 * Groups points by their keys, in time linear in their number.
 *
 * @param keys (N, 3)
 */
export function groupPoints(keys: Int32Array): PointGroups {
  const count = keys.length / 3;
  const groupOf = new Uint32Array(count);
  let size = 16;
  while (size < 2 * count) size *= 2;
  /** Open addressing: a group's number + 1, or 0. */
  const table = new Uint32Array(size);
  const firstOf = new Uint32Array(count);
  let groups = 0;
  for (let i = 0; i < count; i++) {
    const a = keys[3 * i];
    const b = keys[3 * i + 1];
    const c = keys[3 * i + 2];
    let slot = hash(a, b, c) & (size - 1);
    for (;; slot = (slot + 1) & (size - 1)) {
      const group = table[slot] - 1;
      if (group < 0) {
        table[slot] = groups + 1;
        firstOf[groups] = i;
        groupOf[i] = groups++;
        break;
      }
      const first = 3 * firstOf[group];
      if (keys[first] === a && keys[first + 1] === b && keys[first + 2] === c) {
        groupOf[i] = group;
        break;
      }
    }
  }
  return { count: groups, groupOf };
}

/** Mixes three integers as MurmurHash3 does. */
function hash(a: number, b: number, c: number): number {
  let h = mix(0, a);
  h = mix(h, b);
  h = mix(h, c);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function mix(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  h ^= k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}
