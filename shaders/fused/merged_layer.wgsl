// A merged layer as `mergedWords` (src/dbbd/fused/program_weights.ts) lists it: sizes, and where its parts begin. Put before
// the kernels that read them.
struct Merged {
  outs: u32, middle: u32, ins: u32, outer: u32, outer_stride: u32, inner: u32, inner_bias: u32, outer_bias: u32, at: u32,
}

