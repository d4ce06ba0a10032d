// A merged layer as `mergedWords` (src/model/fused/weights/merged_layers.ts) lists it: sizes, and
// where its parts begin. Put before the kernels that read them.
struct Merged {
  outs: u32, middle: u32, ins: u32, outer: u32, outer_stride: u32, inner: u32, inner_bias: u32, outer_bias: u32, at: u32,
}

const FIRST_FOUR = vec4u(0u, 1u, 2u, 3u);

/// First column and row of a tile of 8 × 8 values of a matrix of so many columns.
fn tile_of(index: u32, columns: u32) -> vec2u {
  let across = (columns + 7u) / 8u;
  return 8u * vec2u(index % across, index / across);
}
