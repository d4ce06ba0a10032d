/** Colours of points: maps of numbers, and colours that tell kinds apart. */

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

/**
 * Viridis (van der Walt and Smith, CC0) at nine even places: even steps look even, also to the
 * colour-blind.
 */
const MAP: readonly Rgb[] = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
];

/** The map's colour of a share, 0 to 1. */
export function mapColor(share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (MAP.length - 1);
  const i = Math.min(MAP.length - 2, Math.floor(at));
  return MAP[i].map((low, k) =>
    Math.round(low + (at - i) * (MAP[i + 1][k] - low))
  ) as unknown as Rgb;
}

/** For points that are not meant. */
export const FADED: Rgb = [140, 144, 150];

/**
 * A colour for the n-th of any number of kinds: hues a golden angle apart, so that no two of a few
 * are alike, at even lightness (OKLCH: Ottosson, 2020), which alternates so that neighbours differ
 * in more than hue.
 */
export function kindColor(n: number): Rgb {
  const hue = 2 * Math.PI * (0.07 + n * 0.6180339887498949);
  const light = [0.68, 0.77, 0.6][n % 3], chroma = 0.115;
  const a = chroma * Math.cos(hue), b = chroma * Math.sin(hue);
  const l = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (light - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((linear) => {
    const value = Math.min(1, Math.max(0, linear));
    const encoded = value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
    return Math.round(255 * encoded);
  }) as unknown as Rgb;
}

/** `rgb(…)` for CSS. */
export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

/** (N, 3): every value's colour on the map from `low` to `high`; below `least` faded. */
export function mapColors(
  values: ArrayLike<number>,
  low: number,
  high: number,
  least = -Infinity,
): Uint8Array {
  const table = Array.from({ length: 256 }, (_, i) => mapColor(i / 255));
  const scale = high > low ? 255 / (high - low) : 0;
  const out = new Uint8Array(3 * values.length);
  for (let i = 0; i < values.length; i++) {
    const at = Math.round((values[i] - low) * scale);
    out.set(values[i] < least ? FADED : table[Math.min(255, Math.max(0, at))], 3 * i);
  }
  return out;
}

/** (N, 3): every kind in its colour. */
export function kindColors(kinds: ArrayLike<number>, order: (kind: number) => number): Uint8Array {
  const known = new Map<number, Rgb>();
  const out = new Uint8Array(3 * kinds.length);
  for (let i = 0; i < kinds.length; i++) {
    const kind = kinds[i];
    let rgb = known.get(kind);
    if (rgb === undefined) known.set(kind, rgb = kind < 0 ? FADED : kindColor(order(kind)));
    out.set(rgb, 3 * i);
  }
  return out;
}
