/** Every operation on tensors: one line each. Tests run over this table. */

export { add, div, mul, scale, sub } from "./ops/binary.ts";
export {
  batchNorm,
  type BatchNormOptions,
  columnStatistics,
  type Statistics,
} from "./ops/batch_norm.ts";
export { columns, concat } from "./ops/columns.ts";
export { diagonal } from "./ops/diagonal.ts";
export { gatherRows, NO_ROW, type RowIndex, rowIndex } from "./ops/gather_rows.ts";
export { layerNorm } from "./ops/layer_norm.ts";
export { logSumExp } from "./ops/log_sum_exp.ts";
export { linear, matmul, type MatmulOptions } from "./ops/matmul.ts";
export { normalize } from "./ops/normalize.ts";
export { segmentMax, segmentMean, segmentSoftmax, segmentSum } from "./ops/segments.ts";
export { mean } from "./ops/mean.ts";
export { expand, sum, sumCols, sumRows } from "./ops/sum.ts";
export { sparseConv } from "./ops/sparse_conv.ts";
export { transpose } from "./ops/transpose.ts";
export { exp } from "./ops/elementwise/exp.ts";
export { gelu } from "./ops/elementwise/gelu.ts";
export { log } from "./ops/elementwise/log.ts";
export { relu } from "./ops/elementwise/relu.ts";
export { sigmoid } from "./ops/elementwise/sigmoid.ts";
export { sqrt } from "./ops/elementwise/sqrt.ts";
export { weightedSum } from "./ops/weighted_sum.ts";
export { reshape } from "./tensor.ts";
