// Oracle: fuse-iomap's tables of errnos for registering devices, for CONFIG and for notifications.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BackingMap, ConfigFlag, type ConfigReply, connectIomap, DeviceRegistry, TO_EOF } from "@bulkhead/iomap";
import {
  BLOCK,
  delalloc,
  hole,
  IDENTITY,
  mapped,
  mapping,
  NONE,
  noCache,
  plain,
  pureOverwrite,
  retryCache,
  ScriptedServer,
  type Slot,
  stage,
  unwritten,
  upsert,
} from "./scripted-server.js";

const EPERM = 1;
const ENOENT = 2;
const EBADF = 9;
const EBUSY = 16;
const ENODEV = 19;
const EINVAL = 22;
const ENOSPC = 28;
const ENOSYS = 38;
const EOPNOTSUPP = 95;
const ESTALE = 116;
const EUCLEAN = 117;

function device(more = {}) {
  return { size: BLOCK, read: () => {}, ...more };
}

test("a device is registered, or refused with the errno of the first check that fails", () => {
  const cases: [string, Partial<BackingMap>, number][] = [
    ["a passthrough file", { flags: 0 }, -EOPNOTSUPP],
    ["an unknown type, before all else", { flags: 2 | 0x100, device: undefined }, -EOPNOTSUPP],
    ["other flags", { flags: 1 | 0x100 }, -EINVAL],
    ["padding", { padding: 1 }, -EINVAL],
    ["padding before the descriptor", { padding: 1, device: undefined }, -EINVAL],
    ["a closed descriptor", { device: undefined }, -EBADF],
    ["O_PATH", { device: device({ pathOnly: true, isBlockDevice: false }) }, -EBADF],
    ["no block device", { device: device({ isBlockDevice: false }) }, -ENODEV],
    ["a block device", {}, 1],
  ];
  for (const [name, map, result] of cases) {
    const registry = new DeviceRegistry();
    assert.equal(registry.open({ flags: 1, padding: 0, device: device(), ...map }), result, name);
  }
  const registry = new DeviceRegistry();
  registry.negotiated = false;
  assert.equal(registry.open({ flags: 1 | 0x100, padding: 1, device: undefined }), -EPERM);
  assert.equal(registry.open({ flags: 0, padding: 0, device: device() }), -EOPNOTSUPP);
});

test("ids go round, from 1 to 1024, and are used again only after a round", () => {
  const registry = new DeviceRegistry();
  const open = () => registry.open({ flags: 1, padding: 0, device: device() });
  for (let id = 1; id <= 1000; id++) assert.equal(open(), id);
  assert.equal(registry.close(3), 0);
  for (let id = 1001; id <= 1024; id++) assert.equal(open(), id);
  assert.equal(open(), 3);
  assert.equal(open(), -ENOSPC);
  assert.equal(registry.close(7), 0);
  assert.equal(open(), 7);
});

test("an id is closed, or not: unknown, not negotiated, or while files are in memory", () => {
  const connection = connectIomap(new ScriptedServer());
  const { devices } = connection;
  assert.equal(devices.open({ flags: 1, padding: 0, device: device() }), 1);
  assert.equal(devices.close(0), -EINVAL);
  assert.equal(devices.close(-1), -EINVAL);
  assert.equal(devices.close(2), -ENOENT);
  const file = connection.open(IDENTITY, { size: 0 });
  assert.equal(devices.close(1), -EBUSY);
  assert.equal(file.evict(), 0);
  devices.negotiated = false;
  assert.equal(devices.close(1), -EPERM);
  devices.negotiated = true;
  assert.equal(devices.close(1), 0);
  assert.equal(devices.get(1), undefined);
});

test("the block size of a device is set, or refused", () => {
  const registry = new DeviceRegistry();
  const sizes: number[] = [];
  registry.add(device({ blockSize: 1024, setBlockSize: (size: number) => -sizes.push(size) }));
  registry.add(device());
  assert.equal(registry.setBlockSize(3, 4096), -ENOENT);
  for (const size of [0, 512, 1000, 131_072]) assert.equal(registry.setBlockSize(1, size), -EINVAL);
  assert.equal(registry.setBlockSize(1, 4096), -1, "what the device answers");
  assert.equal(registry.setBlockSize(2, 512), 0);
  registry.negotiated = false;
  assert.equal(registry.setBlockSize(3, 4096), -EOPNOTSUPP);
  assert.deepEqual(sizes, [4096]);
});

test("CONFIG: what is invalid fails the connection, unless its flag says that it is not meant", () => {
  const { time, maxBytes, blockSize, uuid, cacheMaxBytes } = ConfigFlag;
  const cases: [ConfigReply | number, number][] = [
    [-ENOSYS, 0],
    [-EPERM, -EPERM],
    [{ flags: 0 }, 0],
    [{ flags: 0x80 }, -EINVAL],
    [{ flags: 0, uuidLength: 17 }, -EINVAL],
    [{ flags: uuid, uuid: new Uint8Array(16), uuidLength: 16 }, 0],
    [{ flags: 0, padIsZero: false }, -EINVAL],
    [{ flags: time }, -EINVAL],
    [{ flags: time, timeGranularity: 1e9 + 1 }, -EINVAL],
    [{ flags: time, timeGranularity: 1e9 }, 0],
    [{ flags: 0, timeGranularity: 0 }, 0],
    [{ flags: maxBytes, maxBytes: -1 }, -EINVAL],
    [{ flags: maxBytes, maxBytes: 1 }, 0],
    [{ flags: blockSize }, -EINVAL],
    [{ flags: blockSize, blockSize: 256 }, -EINVAL],
    [{ flags: blockSize, blockSize: 1000 }, -EINVAL],
    [{ flags: blockSize, blockSize: 131_072 }, -EINVAL],
    [{ flags: blockSize, blockSize: 512 }, 0],
    [{ flags: 0, blockSize: 1000 }, 0],
    [{ flags: cacheMaxBytes, cacheMaxBytes: 0 }, 0],
  ];
  for (const [reply, result] of cases) {
    const connection = connectIomap(new ScriptedServer());
    assert.equal(connection.configure(reply), result, JSON.stringify(reply));
    assert.equal(connection.isAborted, result !== 0);
  }
});

test("CONFIG: what is meant applies", () => {
  const connection = connectIomap(new ScriptedServer());
  const flags = ConfigFlag.maxBytes | ConfigFlag.blockSize | ConfigFlag.cacheMaxBytes;
  assert.equal(connection.configure({ flags, maxBytes: 8192, blockSize: 1024, cacheMaxBytes: 1 }), 0);
  const file = connection.open(IDENTITY, { size: 0 });
  assert.deepEqual([connection.maxBytes, file.blockSize], [8192, 1024]);
  assert.equal(file.write(8192, new Uint8Array(1)), -27);
  connection.devices.add({ size: 1 << 20, read: () => {} });
  // The cap of 1 byte becomes 256: eight records.
  for (let n = 0; n < 8; n++) {
    assert.equal(connection.upsert(7, 70, mapping([hole, n * 1024, 1024, NONE, 0, n & 1]), mapping(nothing)), 0);
  }
});

const nothing: Slot = [noCache, 0, 1024, NONE, 0];

test("an upsert is taken, or refused with the errno of the first check that fails", () => {
  const at = stage();
  const good: Slot = [mapped, 0, 4 * BLOCK, 0, 1];
  const none: Slot = [noCache, 0, BLOCK, NONE, 0];
  const cases: [Slot, Slot, number][] = [
    [good, none, 0],
    [none, none, 0],
    [none, [pureOverwrite, 0, BLOCK, NONE, 0], 0],
    [[delalloc, 0, BLOCK, NONE, 0], none, 0],
    [[5, 0, BLOCK, NONE, 0], none, -EUCLEAN],
    [[mapped, 0, BLOCK, 0, 1, 0x100], none, -EUCLEAN],
    [[hole, 0, 0, NONE, 0], none, -EUCLEAN],
    [[hole, 1, BLOCK, NONE, 0], none, -EUCLEAN],
    [[mapped, 0, BLOCK, NONE, 1], none, -EUCLEAN],
    [[hole, 0, BLOCK, NONE, 1], none, -EUCLEAN],
    [[pureOverwrite, 0, BLOCK, NONE, 0], none, -EUCLEAN],
    [good, [pureOverwrite, 0, BLOCK, NONE, 0, 1], -EUCLEAN],
    [[retryCache, 0, BLOCK, NONE, 0], none, -EUCLEAN],
    [good, [retryCache, 0, BLOCK, NONE, 0], -EUCLEAN],
    [[mapped, 0, BLOCK, 0, 2], none, -EUCLEAN],
    [none, [unwritten, 0, BLOCK, 0, 2], -EUCLEAN],
    [[mapped, 0, BLOCK, 64 * BLOCK, 1], none, -EUCLEAN],
    [[mapped, 0, 2 * BLOCK, 63 * BLOCK, 1], none, -EUCLEAN],
    [[mapped, 0, BLOCK, 63 * BLOCK, 1], none, 0],
  ];
  for (const [read, write, result] of cases) assert.equal(upsert(at, read, write), result, `${read} and ${write}`);
  const [read, write] = [mapping(good), mapping(none)];
  assert.equal(at.connection.upsert(8, 70, read, write), -ESTALE);
  assert.equal(at.connection.upsert(7, 71, read, write), -EINVAL);
  at.connection.devices.add(device({ size: 0 }));
  assert.equal(upsert(at, [mapped, 0, BLOCK, 0, 2], none), -EINVAL, "a device of no size");
  at.file.evict();
  assert.equal(at.connection.upsert(7, 70, read, write), -ESTALE);
});

test("an invalidation is taken, or refused with the errno of the first check that fails", () => {
  const at = stage();
  const none = { offset: 0, length: 0 };
  const cases: [{ offset: number; length: number }, number][] = [
    [{ offset: 0, length: BLOCK }, 0],
    [{ offset: BLOCK, length: TO_EOF }, 0],
    [{ offset: 13, length: 0 }, 0],
    [{ offset: 13, length: BLOCK }, -EUCLEAN],
    [{ offset: 0, length: 13 }, -EUCLEAN],
    [{ offset: 2 ** 40, length: BLOCK }, -EUCLEAN],
    [{ offset: 2 ** 40 - BLOCK, length: BLOCK }, 0],
    [{ offset: BLOCK, length: 2 ** 53 - BLOCK }, -EUCLEAN],
  ];
  for (const hasCache of [false, true]) {
    if (hasCache) assert.equal(upsert(at, ...plain([mapped, 0, 4 * BLOCK, 0, 1])), 0);
    for (const [range, result] of cases) {
      assert.equal(at.connection.invalidate(7, 70, range, none), result, JSON.stringify(range));
      assert.equal(at.connection.invalidate(7, 70, none, range), result, JSON.stringify(range));
    }
  }
  assert.equal(at.connection.invalidate(8, 70, none, none), -ESTALE);
  assert.equal(at.connection.invalidate(7, 71, none, none), -EINVAL);
});

test("DEV_INVAL drops what the device caches, clamped to it", () => {
  const dropped: [number, number][] = [];
  const at = stage({}, {}, { invalidate: (offset, length) => dropped.push([offset, length]) });
  const size = 64 * BLOCK;
  const inval = at.connection.invalidateDevice.bind(at.connection);
  assert.equal(inval(1, 0, BLOCK, 1), -EINVAL);
  assert.equal(inval(0, 0, BLOCK), -EINVAL);
  assert.equal(inval(2, 0, BLOCK), -ENODEV);
  assert.equal(inval(1, size, BLOCK), -EINVAL);
  assert.equal(inval(1, 5, 0), 0);
  assert.equal(inval(1, 5, Number.MAX_SAFE_INTEGER), -EINVAL);
  assert.deepEqual(dropped, []);
  assert.equal(inval(1, 5, size), 0);
  assert.deepEqual(dropped, [[5, size - 5]]);
});
