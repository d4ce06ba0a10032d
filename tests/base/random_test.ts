import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { Random } from "../../src/base/random.ts";
import { UsageError } from "../../src/base/errors.ts";

function words(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => random.uint32());
}

Deno.test("the same seed and keys give the same stream, any difference another", () => {
  const reference = words(new Random(7, "views", 1, 2, 3), 9);
  new Random(7, "noise").normal();
  assertEquals(words(new Random(7, "views", 1, 2, 3), 9), reference);
  const others = [
    new Random(8, "views", 1, 2, 3),
    new Random(7, "view", 1, 2, 3),
    new Random(7, "views", 2, 1, 3),
    new Random(7, "views", 1, 2, "3"),
    new Random(7, "views", 1, 2),
    new Random(7, "views", 1, 2, 3, 0),
    new Random(7, 1, "views", 2, 3),
    new Random(7 + 2 ** 32, "views", 1, 2, 3),
    new Random(-7, "views", 1, 2, 3),
  ];
  const firsts = new Set(others.map((random) => words(random, 2).join()));
  firsts.add(reference.slice(0, 2).join());
  assertEquals(firsts.size, others.length + 1);
});

Deno.test("strings absorb apart: neighbouring keys do not run together", () => {
  assertNotEquals(words(new Random(0, "ab", "c"), 2), words(new Random(0, "a", "bc"), 2));
  assertNotEquals(words(new Random(0, ""), 2), words(new Random(0), 2));
  assertNotEquals(words(new Random(0, "é"), 2), words(new Random(0, "ê"), 2));
});

/** Threefry-2x32-20 written from the paper with BigInt arithmetic and a loop. */
function threefry(counter: [bigint, bigint], key: [bigint, bigint]): [number, number] {
  const mask = 0xffffffffn;
  const rotations = [13n, 15n, 26n, 6n, 17n, 29n, 16n, 24n];
  const schedule = [key[0], key[1], 0x1bd11bdan ^ key[0] ^ key[1]];
  let [x0, x1] = [(counter[0] + schedule[0]) & mask, (counter[1] + schedule[1]) & mask];
  for (let round = 0; round < 20; round++) {
    x0 = (x0 + x1) & mask;
    const turn = rotations[round % 8];
    x1 = (((x1 << turn) | (x1 >> (32n - turn))) & mask) ^ x0;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x0 = (x0 + schedule[injection % 3]) & mask;
      x1 = (x1 + schedule[(injection + 1) % 3] + BigInt(injection)) & mask;
    }
  }
  return [Number(x0), Number(x1)];
}

Deno.test("the generator is Threefry-2x32-20", () => {
  // Known answers of Random123 (kat_vectors) hold for the reference above …
  assertEquals(threefry([0n, 0n], [0n, 0n]), [0x6b200159, 0x99ba4efe]);
  const ones = 0xffffffffn;
  assertEquals(threefry([ones, ones], [ones, ones]), [0x1cb996fc, 0xbb002be7]);
  assertEquals(
    threefry([0x243f6a88n, 0x85a308d3n], [0x13198a2en, 0x03707344n]),
    [0xc4923a9c, 0x483df7a0],
  );
  // … and the stream of a seed is that reference, keyed by absorbing the seed's two words.
  let key: [bigint, bigint] = [0n, 0n];
  for (const [word, tag] of [[42n, 1n], [0n, 2n]]) {
    const [k0, k1] = threefry([word, tag], key);
    key = [BigInt(k0), BigInt(k1)];
  }
  const expected = [0n, 1n, 2n, 3n].flatMap((counter) => threefry([counter, 0n], key));
  assertEquals(words(new Random(42), 8), expected);
});

Deno.test("a stream does not change from one version to the next", () => {
  const random = new Random(42, "frozen", 3);
  assertEquals(words(random, 3), FROZEN_WORDS);
  assertEquals([random.uniform(), random.normal(), random.normal()], FROZEN_REALS);
});
const FROZEN_WORDS = [100323358, 4287871310, 315437907];
const FROZEN_REALS = [0.5896269224757947, 0.5979456901694336, 0.0914038179322351];

Deno.test("a seed that is no safe integer is refused", () => {
  assertThrows(() => new Random(1.5), UsageError, "got 1.5");
  assertThrows(() => new Random(1, NaN), UsageError, "got NaN");
  assertThrows(() => new Random(2 ** 53), UsageError, "integer");
});

Deno.test("uniform numbers fill their interval evenly", () => {
  const random = new Random(1, "uniform");
  const bins = new Uint32Array(10);
  let sum = 0;
  for (let i = 0; i < 20000; i++) {
    const value = random.uniform(-3, 2);
    assert(value >= -3 && value < 2);
    bins[Math.floor((value + 3) * 2)]++;
    sum += value;
  }
  assertAlmostEquals(sum / 20000, -0.5, 0.04);
  for (const count of bins) assertAlmostEquals(count, 2000, 200);
  assertEquals(random.uniform(4, 4), 4);
});

Deno.test("normal numbers have the normal distribution's moments and tails", () => {
  const random = new Random(5, "normal");
  const n = 40001;
  let m1 = 0, m2 = 0, m3 = 0, m4 = 0, beyond2 = 0;
  for (let i = 0; i < n; i++) {
    const x = random.normal();
    m1 += x, m2 += x * x, m3 += x ** 3, m4 += x ** 4;
    if (Math.abs(x) > 2) beyond2++;
  }
  assertAlmostEquals(m1 / n, 0, 0.02);
  assertAlmostEquals(m2 / n, 1, 0.03);
  assertAlmostEquals(m3 / n, 0, 0.08);
  assertAlmostEquals(m4 / n, 3, 0.25);
  assertAlmostEquals(beyond2 / n, 0.0455, 0.004);
});

Deno.test("normal numbers agree with the polar method on Math.log", () => {
  const random = new Random(6, "log"), twin = new Random(6, "log");
  for (let i = 0; i < 500; i++) {
    const first = random.normal(), second = random.normal();
    let x = 0, y = 0, s = 2;
    while (s >= 1) {
      x = 2 * twin.uniform() - 1, y = 2 * twin.uniform() - 1, s = x * x + y * y;
    }
    const scale = Math.sqrt(-2 * Math.log(s) / s);
    assertAlmostEquals(first, x * scale, 1e-13 * Math.abs(x * scale) + 1e-300);
    assertAlmostEquals(second, y * scale, 1e-13 * Math.abs(y * scale) + 1e-300);
  }
});

Deno.test("integers stay in their range and are equally likely", () => {
  const random = new Random(2, "int");
  const counts = new Uint32Array(7);
  for (let i = 0; i < 14000; i++) counts[random.int(7)]++;
  for (const count of counts) assertAlmostEquals(count, 2000, 180);
  assertEquals(random.int(1), 0);
  assert(random.int(2 ** 32) < 2 ** 32);
  for (const n of [0, -1, 2.5, 2 ** 32 + 1]) assertThrows(() => random.int(n), UsageError);
});

Deno.test("shuffling permutes, and every order of three comes up equally often", () => {
  assertEquals(new Random(3).shuffle(new Uint32Array(0)).length, 0);
  const shuffled = new Random(3).shuffle(Uint32Array.from({ length: 101 }, (_, i) => i));
  assertEquals(
    Array.from(shuffled).sort((a, b) => a - b),
    Array.from({ length: 101 }, (_, i) => i),
  );
  assertNotEquals(shuffled[0] + shuffled[1] * 101, 101);
  const seen = new Map<string, number>();
  const random = new Random(3, "orders");
  for (let i = 0; i < 6000; i++) {
    const order = random.shuffle(["a", "b", "c"]).join("");
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  assertEquals(seen.size, 6);
  for (const count of seen.values()) assertAlmostEquals(count, 1000, 150);
});

Deno.test("a sample without replacement is sorted, distinct, in range and unbiased", () => {
  const random = new Random(4, "sample");
  const hits = new Uint32Array(13);
  for (let i = 0; i < 3000; i++) {
    const sample = random.sampleWithoutReplacement(13, 5);
    assertEquals(sample.length, 5);
    for (let j = 0; j < 5; j++) {
      assert(sample[j] < 13 && (j === 0 || sample[j] > sample[j - 1]));
      hits[sample[j]]++;
    }
  }
  for (const count of hits) assertAlmostEquals(count, 3000 * 5 / 13, 130);
  assertEquals(Array.from(random.sampleWithoutReplacement(4, 9)), [0, 1, 2, 3]);
  assertEquals(random.sampleWithoutReplacement(4, 0).length, 0);
  const few = random.sampleWithoutReplacement(4e9, 3);
  assert(few.length === 3 && few[2] < 4e9);
});

Deno.test("filling gives float32 numbers of the asked distribution", () => {
  const bounded = new Random(9, "xavier").fillUniform(new Float32Array(5001), -0.25, 0.75);
  assert(bounded.every((value) => value >= -0.25 && value <= 0.75));
  assertAlmostEquals(bounded.reduce((a, b) => a + b) / 5001, 0.25, 0.02);
  const normal = new Random(9, "query").fillNormal(new Float32Array(5001), 2, 0.5);
  const mean = normal.reduce((a, b) => a + b) / 5001;
  assertAlmostEquals(mean, 2, 0.03);
  assertAlmostEquals(normal.reduce((a, b) => a + (b - mean) ** 2, 0) / 5000, 0.25, 0.02);
});
