import { assertEquals, assertThrows } from "@std/assert";
import { rowPrograms } from "../../src/model/fused/plan/compile.ts";
import {
  hoistShared,
  layersOf,
  mergeLinear,
  recomputedRows,
} from "../../src/model/fused/plan/passes.ts";
import { type Networks, networks } from "../../src/model/networks.ts";
import { before, linearStep, mlp, type RowInput, type Step } from "../../src/nn/network.ts";
import { tinyConfig } from "../support/tiny_config.ts";

const row = (name: string, width: number): RowInput => ({ name, width });
const parent: RowInput = { name: "parent", width: 5, shared: "region" };

Deno.test("steps become layers: linear, norm and activation in turn", () => {
  const layers = layersOf(mlp("m", [row("a", 2), row("b", 3)], [4, 6], "gelu"));
  assertEquals(layers, [
    {
      inputs: [
        { input: row("a", 2), weight: { of: "m.0", first: 0, stride: 5 } },
        { input: row("b", 3), weight: { of: "m.0", first: 2, stride: 5 } },
      ],
      bias: "m.0",
      outs: 4,
      norm: "m.1",
      activation: "gelu",
    },
    {
      inputs: [{ input: before(4), weight: { of: "m.3", first: 0, stride: 4 } }],
      bias: "m.3",
      outs: 6,
      norm: null,
      activation: null,
    },
  ]);
  const norm: Step = { step: "norm", name: "n", width: 4 };
  const linear = linearStep("l", [row("a", 2)], 4);
  for (
    const steps of [[norm], [{ step: "relu" }], [linear, { step: "relu" }], [linear, norm, norm]]
  ) {
    assertThrows(() => layersOf(steps as Step[]), TypeError, "linear, norm, activation in turn");
  }
});

Deno.test("what a region shares is hoisted with the bias, and only out of the first layer", () => {
  const steps = mlp("p", [parent, row("place", 3)], [7, 5], "gelu");
  const { start, layers } = hoistShared(layersOf(steps));
  assertEquals(start, {
    inputs: [{ input: parent, weight: { of: "p.0", first: 0, stride: 8 } }],
    bias: "p.0",
    outs: 7,
    norm: null,
    activation: null,
  });
  assertEquals(layers[0].bias, null);
  assertEquals(layers[0].inputs, [{
    input: row("place", 3),
    weight: { of: "p.0", first: 5, stride: 8 },
  }]);
  assertEquals([layers[0].norm, layers[1].bias], ["p.1", "p.3"]);
  const plain = layersOf(mlp("p", [row("place", 3)], [7, 5], "gelu"));
  assertEquals(hoistShared(plain), { start: null, layers: plain });
  const late = layersOf([...steps, linearStep("l", [before(5), parent], 2)]);
  assertThrows(() => hoistShared(late), TypeError, "Only a network's first layer");
});

Deno.test("linear layers with nothing between them are merged", () => {
  const steps = [
    ...mlp("inner", [row("place", 3)], [7, 5], "gelu"),
    ...mlp("outer", [row("features", 2), before(5)], [4, 6], "relu"),
  ];
  const [first, merged, last, ...rest] = mergeLinear(layersOf(steps));
  assertEquals([first.bias, last.bias, rest], ["inner.0", "outer.3", []]);
  const product = {
    outer: { of: "outer.0", first: 2, stride: 7 },
    inner: "inner.3",
    outs: 4,
    middle: 5,
    ins: 7,
  };
  assertEquals(merged, {
    inputs: [
      { input: row("features", 2), weight: { of: "outer.0", first: 0, stride: 7 } },
      { input: before(7), weight: product },
    ],
    bias: product,
    outs: 4,
    norm: "outer.1",
    activation: "relu",
  });
  const unmergeable = [
    linearStep("a", [row("x", 1), row("y", 1)], 3),
    linearStep("b", [before(3)], 2),
  ];
  assertThrows(() => mergeLinear(layersOf(unmergeable)), TypeError, "reads the layer before alone");
});

Deno.test("maxima are recomputed where they have gradient, means everywhere", () => {
  const steps = mlp("m", [row("a", 2)], [3], "relu");
  assertEquals(recomputedRows({ steps, pooling: "max" }), "with gradient");
  assertEquals(recomputedRows({ steps, pooling: "mean" }), "all");
});

Deno.test("what kernels cannot read is refused by name", () => {
  const flat = { flatSize: 0, offsetOf: () => 0 };
  const own = networks(tinyConfig());
  const with_ = (steps: readonly Step[]): Networks => ({ ...own, raw: { steps, pooling: "max" } });
  const features = row("features", 3);
  assertThrows(
    () => rowPrograms(with_(mlp("m", [features, row("offset", 3)], [4, 16], "relu")), {}, flat),
    TypeError,
    "raw: a layer on kernels reads the layer before and one of place, placeInParent, offset, " +
      "features; found features, offset.",
  );
  assertThrows(
    () => rowPrograms(with_(mlp("m", [row("place", 3), features], [4, 16], "relu")), {}, flat),
    TypeError,
    "found place, features",
  );
});
