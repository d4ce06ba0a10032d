// Put before every kernel. Grids are two-dimensional past 65,535 workgroups (src/gpu/kernel.ts
// `grid`): a kernel that walks one axis takes its workgroup number from here and checks it against
// its own count.
fn linear_group(group: vec3u, groups: vec3u) -> u32 {
  return group.x + group.y * groups.x;
}

// A warning to every kernel: Mesa's software device ends loops, without a word, once an invocation
// has made 65,535 turns in all its loops together, inner ones counted. Nothing may loop over the
// rows of a batch: cut it in pieces.
