import { assert, assertEquals, assertThrows } from "@std/assert";
import { basename, join } from "@std/path";
import { DataError } from "../../src/base/errors.ts";
import { crc32c } from "../../src/base/crc32c.ts";
import { EventWriter } from "../../src/training/tensorboard.ts";

const canWrite = ["read", "write"].every((name) =>
  Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state === "granted"
);

interface Event {
  wallTime?: number;
  step?: number;
  version?: string;
  started?: boolean;
  tag?: string;
  value?: number;
}

/**
 * A decoder written apart from the writer: records with checked checksums, then the fields of each
 * Event.
 */
function decode(bytes: Uint8Array): Event[] {
  const events: Event[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 0; at < bytes.length;) {
    const length = Number(view.getBigUint64(at, true));
    assertEquals(unmask(view.getUint32(at + 8, true)), crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assertEquals(unmask(view.getUint32(at + 12 + length, true)), crc32c(data));
    const event: Event = {};
    fields(data, event, "");
    events.push(event);
    at += 16 + length;
  }
  return events;
}

function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated << 15) | (rotated >>> 17)) >>> 0;
}

function fields(data: Uint8Array, event: Event, path: string): void {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      const byte = data[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < data.length) {
    const key = varint();
    const place = `${path}/${key >> 3}`;
    if ((key & 7) === 1) {
      assertEquals(place, "/1");
      event.wallTime = view.getFloat64(at, true);
      at += 8;
    } else if ((key & 7) === 5) {
      assertEquals(place, "/5/1/2");
      event.value = view.getFloat32(at, true);
      at += 4;
    } else if ((key & 7) === 0) {
      const value = varint();
      if (place === "/2") event.step = value;
      else if (place === "/7/1") event.started = value === 1;
      else throw new Error(place);
    } else {
      const length = varint();
      const content = data.subarray(at, at + length);
      at += length;
      if (place === "/3") event.version = new TextDecoder().decode(content);
      else if (place === "/5/1/1") event.tag = new TextDecoder().decode(content);
      else fields(content, event, place);
    }
  }
}

Deno.test("crc32c gives the published values", () => {
  // RFC 3720, B.4.
  assertEquals(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assertEquals(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assertEquals(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assertEquals(crc32c(new Uint8Array(0)), 0);
});

Deno.test({
  name: "scalars are written as TensorBoard's events, byte for byte framed",
  ignore: !canWrite,
  fn() {
    const folder = Deno.makeTempDirSync();
    try {
      const writer = EventWriter.create(folder, { startTime: 1700000000.5 });
      assert(/^events\.out\.tfevents\.1700000000\..+\.\d+\.\d+$/.test(basename(writer.path)));
      writer.scalar("loss/total", 1.25, 0, 1700000001);
      writer.scalar("größe", -3, 2 ** 40, 1700000002.25);
      writer.flush();
      writer.scalar("nan", NaN, 300, 1700000003);
      const flushed = Deno.readFileSync(writer.path);
      assertEquals(decode(flushed).length, 3);
      writer.close();
      assertEquals(decode(Deno.readFileSync(writer.path)), [
        { wallTime: 1700000000.5, step: 0, version: "brain.Event:2" },
        { wallTime: 1700000001, step: 0, tag: "loss/total", value: 1.25 },
        { wallTime: 1700000002.25, step: 2 ** 40, tag: "größe", value: -3 },
        { wallTime: 1700000003, step: 300, tag: "nan", value: NaN },
      ]);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "a run that goes on starts a new file beside the old one and says from which step",
  ignore: !canWrite,
  fn() {
    const folder = Deno.makeTempDirSync();
    try {
      using first = EventWriter.create(folder, { startTime: 1700000000 });
      using second = EventWriter.create(folder, { startTime: 1700000000, firstStep: 7 });
      assert(first.path !== second.path);
      assertEquals(decode(Deno.readFileSync(second.path))[1], {
        wallTime: 1700000000,
        step: 7,
        started: true,
      });
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "a folder that isn't there is one clear error",
  ignore: !canWrite,
  fn() {
    const folder = Deno.makeTempDirSync();
    Deno.removeSync(folder);
    assertThrows(() => EventWriter.create(join(folder, "x")), DataError, "Cannot write ");
  },
});
