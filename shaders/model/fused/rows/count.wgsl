// Rows of a list that this dispatch handles: `total` is the list's length, known to the device
// alone where the list was made there; a chunk takes chunk_rows rows from chunk_first on. Put
// before the kernels of this folder.
fn rows_here(total: u32, chunk_first: u32, chunk_rows: u32) -> u32 {
  return min(max(total, chunk_first) - chunk_first, chunk_rows);
}

// Rows of each slice that a sum over `rows` is made in, at least `least`: few rows are few slices,
// for a slice's sums are read and written.
fn rows_of_slice(rows: u32, slices: u32, least: u32) -> u32 {
  return max((rows + slices - 1u) / slices, least);
}
