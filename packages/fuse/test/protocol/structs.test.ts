import assert from "node:assert/strict";
import { test } from "node:test";
import * as fuse from "@bulkhead/fuse";
import type { AnyStruct } from "@bulkhead/linux/struct";
import { bytesOf, get, layout, layoutNames, sampleValues, set } from "./wire.js";

const declared = new Map<string, AnyStruct>();
for (const [key, value] of Object.entries(fuse) as [string, unknown][]) {
  if (!/^(Fuse|Cuse)[A-Z]/.test(key) || typeof value !== "object" || value === null) continue;
  if ("fields" in value) declared.set((value as AnyStruct).name, value as AnyStruct);
}

test("exactly the structures of the reference are declared", () => {
  assert.deepEqual([...declared.keys()].sort(), [...layoutNames].sort());
});

for (const [name, struct] of declared) {
  test(`${name}: size, fields and every byte are the reference's`, () => {
    const { size, fields, top } = layout(name);
    assert.equal(struct.size, size);
    assert.deepEqual(Object.entries(struct.offset), [...top]);
    const values = sampleValues(name, 1);
    const golden = bytesOf(name, values);
    const read = struct.view().at(new DataView(golden.buffer, golden.byteOffset, golden.length), 0);
    const written = Buffer.alloc(size);
    const write = struct.view().at(new DataView(written.buffer, written.byteOffset, written.length), 0);
    for (const field of fields) {
      const value = values[field.path] ?? -1n;
      assert.equal(get(read, field), value, field.path);
      set(write, field, value);
    }
    assert.deepEqual(written, golden);
  });
}
