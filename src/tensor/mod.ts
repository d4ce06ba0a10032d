/** Tensors, the tape and every operation. */

export {
  BackwardPass,
  type DType,
  empty,
  full,
  type InputGradients,
  noGrad,
  record,
  recordAll,
  type TapeNode,
  Tensor,
  tensor,
  type TensorData,
  zeros,
} from "./tensor.ts";
export { elements, formatShape } from "./shapes.ts";
export type { Operand } from "./inputs.ts";
export { makeSegments, type Segments, segmentsOfLengths, type SegmentStage } from "./segments.ts";
export * from "./operations.ts";
