/** Which point is under the pointer. */

/** Where and how near. */
export interface PickRay {
  /** Column-major 4 × 4: from positions to clip space. */
  readonly matrix: ArrayLike<number>;
  /** In clip space, -1 to 1, y up. */
  readonly x: number;
  readonly y: number;
  /** Of the view, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Pixels that a point may be off. */
  readonly radius: number;
  /** Points above this z are hidden. */
  readonly cut: number;
}

/** A pixel off weighs as much as being this share of the depth farther away. */
const DEPTH_OF_PIXEL = 0.01;

/**
 * The point (number among `positions` (N, 3)) nearest to the viewer among those near the pointer;
 * of points at about the same depth the one nearest to the pointer. -1: none is near.
 */
export function pick(positions: ArrayLike<number>, ray: PickRay): number {
  const { matrix: m, x, y, width, height, radius, cut } = ray;
  let best = -1, least = Infinity;
  for (let i = 0; i < positions.length; i += 3) {
    const px = positions[i], py = positions[i + 1], pz = positions[i + 2];
    if (pz > cut) continue;
    const w = m[3] * px + m[7] * py + m[11] * pz + m[15];
    if (w <= 0) continue;
    const dx = ((m[0] * px + m[4] * py + m[8] * pz + m[12]) / w - x) * width / 2;
    const dy = ((m[1] * px + m[5] * py + m[9] * pz + m[13]) / w - y) * height / 2;
    const off = Math.hypot(dx, dy);
    if (off > radius) continue;
    const cost = w * (1 + DEPTH_OF_PIXEL * off);
    if (cost < least) {
      least = cost;
      best = i / 3;
    }
  }
  return best;
}
