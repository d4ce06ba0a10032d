/** Tensors, the tape and every operation. */

export {
  BackwardPass,
  type DType,
  empty,
  type InputGradients,
  noGrad,
  record,
  recordAll,
  type TapeNode,
  Tensor,
  type TensorData,
  zeros,
} from "./tensor.ts";
export { full, tensor } from "./create.ts";
export { elements, formatShape } from "./shapes.ts";
export {
  inverseMap,
  type KernelMap,
  type RowTable,
  stridedMap,
  submanifoldMap,
  type TablePart,
} from "./kernel_map.ts";
export type { Operand } from "./inputs.ts";
export { makeSegments, type Segments, segmentsOfLengths, type SegmentStage } from "./segments.ts";
export * from "./operations.ts";
