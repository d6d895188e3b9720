/**
 * Oracle: the reference of fuse-iomap. Each conversation is written down by its rules, and its bytes are made from its layouts; the
 * server's are compared whole. debugfs tells whether the addresses are the file's.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FileSystem, MemoryDevice } from "@bulkhead/ext4";
import { AttrFlag } from "@bulkhead/fuse";
import { Mapping } from "@bulkhead/iomap";
import { withoutTools } from "../facilities.js";
import { run } from "../system/process.js";
import { ATOMIC, CACHED, ENDS, EXTENTS, INLINE, POINTERS, REFUSED, SPILLED } from "./conversations.js";
import { FakeKernel, type KernelFile } from "./fake-kernel.js";
import { makeImage, STALE, variants, withCleanImage } from "./images.js";
import { Op } from "./operations.js";
import { Conversation } from "./trace.js";
import { DEV, ROOT, type WireOptions } from "./wire.js";

const NOBODY = 1999;
const JOURNAL_DATA = 0x4000;
/** Of a mapping: what is needed to find the data there is not durable. */
const DIRTY = 2;

function variantOf(name: string) {
  return variants.find((variant) => variant.name === name)!;
}

interface Stage {
  readonly kernel: FakeKernel;
  readonly file: KernelFile;
  readonly conversation: Conversation;
}

function stage(variant: string, options: Omit<WireOptions, "blockSize"> = {}): Stage {
  const { blockSize } = variantOf(variant);
  const kernel = new FakeKernel(makeImage(variantOf(variant)), { blockSize, ...options });
  const file = kernel.create("f");
  kernel.notified.length = 0;
  const conversation = new Conversation({
    dev: DEV,
    exchange: (request) => kernel.session.reply.subarray(0, kernel.session.handle(request)),
    notified: () => kernel.notified.splice(0),
    nodeid: (name) => (name === "f" ? file.nodeid : name === "." ? ROOT : NOBODY),
  });
  return { kernel, file, conversation };
}

/** The file's blocks on the device, by debugfs. */
function blocksOf(path: string): number[] {
  return run("debugfs", ["-R", "blocks /f", path]).stdout.toString().trim().split(/\s+/).map(Number);
}

describe("a conversation with a kernel that does the file I/O", {
  skip: withoutTools("mke2fs", "e2fsck", "debugfs"),
}, () => {
  it("about a file with extents goes as the reference has it", () => {
    const { kernel, conversation } = stage("ext4, 4 KiB blocks");
    conversation.play(EXTENTS);
    kernel.unmount();
    withCleanImage(kernel.device.platter, (path) => {
      const blocks = blocksOf(path);
      for (const letter of ["A", "B", "C", "D"]) {
        assert.ok(blocks.includes(Number(conversation.addresses.get(letter)) / 4096), `${letter} is the file's`);
      }
    });
  });

  it("about a file with block pointers tells of blocks that are zeros on the device", () => {
    const { kernel, conversation } = stage("ext3, block pointers");
    conversation.play(POINTERS);
    const first = Number(conversation.addresses.get("A"));
    assert.ok(kernel.device.platter.subarray(first, first + 3072).every((byte) => byte === 0));
    assert.ok(
      kernel.device.invalidated.some(({ offset, length }) => offset <= first && offset + length >= first + 3072),
    );
    kernel.unmount();
    withCleanImage(kernel.device.platter, (path) => assert.equal(blocksOf(path)[0], first / 1024));
  });

  it("about data in an inode: it moves out when it has to, and is on the device when the kernel looks there", () => {
    const { kernel, file, conversation } = stage("inline data");
    const text = new TextEncoder().encode("in the inode");
    assert.equal(kernel.write(file, 0, text), text.length);
    conversation.play(SPILLED);
    const first = Number(conversation.addresses.get("A"));
    const block = kernel.device.platter.subarray(first, first + 4096);
    assert.deepEqual(block.slice(0, text.length), text);
    assert.ok(block.subarray(text.length).every((byte) => byte === 0));
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("about data in an inode: whatever moves it out, the kernel finds it on the device, and what it writes there stays", () => {
    const text = new TextEncoder().encode("in the inode");
    const moves: [string, (kernel: FakeKernel, file: KernelFile) => number][] = [
      ["fallocate", (kernel, file) => kernel.fallocate(file, 0, 0, 5000)],
      ["truncate", (kernel, file) => kernel.truncate(file, 5000)],
    ];
    for (const [what, move] of moves) {
      const { kernel, file } = stage("inline data");
      assert.equal(kernel.write(file, 0, text), text.length);
      assert.equal(move(kernel, file), 0);
      assert.deepEqual(kernel.read(file, 0, text.length), text, what);
      const other = text.slice().reverse();
      assert.equal(kernel.write(file, 0, other), text.length);
      kernel.fsync(file);
      assert.deepEqual(kernel.read(file, 0, text.length), other, what);
      kernel.unmount();
      withCleanImage(kernel.device.platter, () => {});
    }
  });

  it("not about a file whose data goes through the journal, while that is in the inode either", () => {
    const text = new TextEncoder().encode("in the inode");
    const name = Buffer.from("j");
    const image = makeImage(variantOf("inline data"));
    const before = FileSystem.mount(new MemoryDevice(image, { readOnly: false }), { writable: true });
    const inode = before.create(before.root, name, { mode: 0o100644, uid: 0, gid: 0 });
    before.iomapBegin(inode, 0, text.length, Op.write, new Mapping());
    before.writeInline(inode, 0, text);
    before.setFlags(inode, (inode.flags | JOURNAL_DATA) >>> 0);
    assert.ok(inode.hasInlineData);
    before.unmount();
    before.close();

    const kernel = new FakeKernel(image, { blockSize: 4096 });
    const [entry] = kernel.done("LOOKUP", ROOT, { names: [name] }).out;
    const { nodeid, attr } = entry!;
    assert.equal(attr.flags & AttrFlag.IOMAP, 0);
    assert.equal(kernel.ask("IOMAP_BEGIN", nodeid, { request: { attr_ino: nodeid, pos: 0, count: 1 } }).error, -22);
    const more = new Uint8Array(10_000).fill(5);
    const request = { offset: text.length, size: more.length };
    assert.equal(kernel.done("WRITE", nodeid, { request, data: more }).out[0]?.size, more.length);
    const { data } = kernel.done("READ", nodeid, { request: { offset: 0, size: 20_000 } }, 20_000);
    const whole = Buffer.concat([text, more]);
    assert.deepEqual(Buffer.from(data), whole);
    kernel.unmount();
    withCleanImage(kernel.device.platter, (path) => {
      assert.deepEqual(run("debugfs", ["-R", "cat /j", path]).stdout, whole);
    });
  });

  it("about an empty file of a file system with inline data", () => {
    const { kernel, conversation } = stage("inline data");
    conversation.play(INLINE);
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("about a file with block pointers that grew in vain and was forgotten: what it holds is the kernel's to write", () => {
    const { kernel, file } = stage("ext3, block pointers");
    const bytes = new Uint8Array(1500).fill(1);
    assert.equal(kernel.write(file, 0, bytes), bytes.length);
    kernel.onIoend = () => {};
    assert.equal(kernel.write(file, bytes.length, new Uint8Array(5000).fill(2)), 5000);
    kernel.onIoend = (completion) => void kernel.ioend(completion);
    kernel.evict("f", file);
    assert.equal(file.size, bytes.length);
    bytes.fill(3);
    assert.equal(kernel.write(file, 0, bytes), bytes.length);
    kernel.fsync(file);
    assert.deepEqual(kernel.read(file, 0, bytes.length), bytes);
    kernel.unmount();
    withCleanImage(kernel.device.platter, (path) => assert.equal(blocksOf(path).length, 2));
  });

  it("about fresh blocks that cannot be zeroed: the file does not get them", () => {
    const { kernel, file } = stage("ext3, block pointers");
    assert.equal(kernel.truncate(file, 5000), 0);
    for (const failing of [0, 1]) {
      let step = 0;
      kernel.device.serverWorks = () => step++ !== failing;
      assert.equal(kernel.write(file, 0, new Uint8Array(3000).fill(1)), -5);
      kernel.device.serverWorks = () => true;
      assert.ok(kernel.read(file, 0, 5000).every((byte) => byte === 0));
    }
    kernel.done("SYNCFS", ROOT, { request: {} });
    kernel.done("DESTROY", 0, {});
    kernel.fs.close();
    withCleanImage(kernel.device.platter, (path) => assert.deepEqual(blocksOf(path), [0]));
  });

  it("about writes that must not be torn, where the device does not tear them", () => {
    const { kernel, file, conversation } = stage("ext4, 4 KiB blocks", { atomicWrites: true });
    assert.notEqual(kernel.attributeFlags(file.nodeid) & AttrFlag.ATOMIC, 0);
    conversation.play(ATOMIC);
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("puts mappings into the kernel's cache, and answers them where it cannot", () => {
    const { kernel, conversation } = stage("ext4, 4 KiB blocks", { cacheMappings: true });
    conversation.play(CACHED);
    kernel.refuses = -12;
    conversation.play(REFUSED.replace(" 0 4096", " 16384 4096").replace(/ 0\+/g, " 16384+"));
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("has the kernel ask again where a file has grown: what is written there is durable with the new size only", () => {
    const durable = (kernel: FakeKernel, file: KernelFile) => {
      const slot = kernel.begin(file, 6000, 100, Op.write | Op.direct);
      assert.ok(typeof slot !== "number");
      return (slot.flags & DIRTY) === 0;
    };
    const growths: [string, (kernel: FakeKernel, file: KernelFile) => void][] = [
      ["truncate", (kernel, file) => void kernel.truncate(file, 20_000)],
      ["fallocate", (kernel, file) => void kernel.fallocate(file, 0, 12_000, 8000)],
      ["a write further on", (kernel, file) => void kernel.write(file, 12_000, new Uint8Array(8000))],
    ];
    for (const variant of ["ext4, 4 KiB blocks", "ext3, block pointers"]) {
      for (const [what, grow] of growths) {
        if (what === "fallocate" && variant !== "ext4, 4 KiB blocks") continue;
        const { kernel, file } = stage(variant, { cacheMappings: true });
        assert.equal(kernel.write(file, 0, new Uint8Array(6100).fill(1)), 6100);
        kernel.fsync(file);
        assert.ok(durable(kernel, file));
        grow(kernel, file);
        assert.equal(file.size, 20_000);
        assert.ok(!durable(kernel, file), `${variant}: ${what}`);
        kernel.fsync(file);
        kernel.unmount();
        withCleanImage(kernel.device.platter, () => {});
      }
    }
  });

  it("about freezing leaves a clean file system, and about a shutdown one that no one writes", () => {
    const { kernel, conversation } = stage("ext4, 4 KiB blocks");
    const [before, after] = ENDS.split("> UNFREEZE");
    conversation.play(before!);
    withCleanImage(kernel.device.platter.slice(), () => {});
    conversation.play(`> UNFREEZE${after!}`);
    kernel.fs.close();
  });

  it("ends a freeze by whatever changes next: a crash then leaves a journal to recover", () => {
    const { kernel, file } = stage("ext4, 4 KiB blocks");
    kernel.done("FREEZE_FS", ROOT, { request: {} });
    assert.equal(kernel.write(file, 0, new Uint8Array(5000).fill(1)), 5000);
    kernel.fsync(file);
    const needsRecovery = 0x4;
    assert.notEqual(kernel.device.platter[1024 + 0x60]! & needsRecovery, 0);
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("tells the kernel of metadata before it becomes data", () => {
    const { kernel } = stage("ext4, 1 KiB blocks");
    for (let n = 0; n < 300; n++) kernel.create(`a rather long name, so that the directory takes many blocks ${n}`);
    const made = kernel.done("MKDIR", ROOT, { request: { mode: 0o755 }, names: [Buffer.from("d")] });
    assert.ok(made.out[0] !== undefined);
    kernel.done("SYNCFS", ROOT, { request: {} });
    const before = kernel.device.invalidated.length;
    kernel.done("RMDIR", ROOT, { names: [Buffer.from("d")] });
    kernel.forget(made.out[0].nodeid);
    assert.equal(kernel.device.invalidated.length, before, "not before it is durable that it is free");
    kernel.done("SYNCFS", ROOT, { request: {} });
    assert.ok(kernel.device.invalidated.slice(before).some(({ length }) => length === 1024));
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("says of inodes what the kernel has to enforce", () => {
    const { kernel, file } = stage("ext4, 4 KiB blocks");
    const { EXCLUSIVE, IOMAP, SYNC, IMMUTABLE, APPEND } = AttrFlag;
    const flags = kernel.fs.inode(file.nodeid);
    kernel.fs.setFlags(flags, (flags.flags | 0x8 | 0x20) >>> 0);
    assert.equal(kernel.attributeFlags(file.nodeid), EXCLUSIVE | IOMAP | SYNC | APPEND);
    kernel.fs.setFlags(flags, ((flags.flags & ~0x28) | 0x10) >>> 0);
    assert.equal(kernel.attributeFlags(file.nodeid), EXCLUSIVE | IOMAP | IMMUTABLE);
    assert.equal(kernel.attributeFlags(ROOT), EXCLUSIVE, "directories have no file I/O");
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("keeps hard links one inode, by one number", () => {
    const { kernel, file } = stage("ext4, 4 KiB blocks");
    const [entry] = kernel.done("LINK", ROOT, { request: { oldnodeid: file.nodeid }, names: [Buffer.from("g")] }).out;
    assert.equal(entry?.nodeid, file.nodeid);
    const bytes = new Uint8Array(9000).fill(5);
    assert.equal(kernel.write(file, 0, bytes), bytes.length);
    const [found] = kernel.done("LOOKUP", ROOT, { names: [Buffer.from("g")] }).out;
    assert.deepEqual([found?.nodeid, found?.attr.nlink, found?.attr.size], [file.nodeid, 2, 9000]);
    const [dot] = kernel.done("LOOKUP", ROOT, { names: [Buffer.from(".")] }).out;
    assert.equal(dot?.nodeid, ROOT, "the root has the number that the kernel gave it");
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("touches neither times nor set-id bits when data is written", () => {
    const { kernel, file } = stage("ext4, 4 KiB blocks");
    const times = { valid: 0x431 | 1, mode: 0o106755, atime: 11, mtime: 12, ctime: 13, mtimensec: 7, ctimensec: 8 };
    kernel.done("SETATTR", file.nodeid, { request: times });
    assert.equal(kernel.write(file, 0, new Uint8Array(20_000).fill(3)), 20_000);
    assert.equal(kernel.fallocate(file, 3, 4096, 8192), 0);
    const [attributes] = kernel.done("GETATTR", file.nodeid, { request: {} }).out;
    assert.ok(attributes !== undefined);
    const { mode, atime, mtime, ctime, mtimensec, ctimensec } = attributes.attr;
    assert.deepEqual([mode & 0o7777, atime, mtime, ctime, mtimensec, ctimensec], [0o6755, 11, 12, 13, 7, 8]);
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("leaves the mode of what is made to the kernel, and default ACLs to it", () => {
    const { kernel } = stage("ext4, 4 KiB blocks");
    const [dir] = kernel.done("MKDIR", ROOT, { request: { mode: 0o777 }, names: [Buffer.from("d")] }).out;
    const nodeid = dir?.nodeid ?? 0;
    // Version 2; the owner everything, the group and others nothing.
    const acl = Buffer.from("0200000001000700ffffffff04000000ffffffff20000000ffffffff", "hex");
    const name = Buffer.from("system.posix_acl_default");
    kernel.done("SETXATTR", nodeid, { request: { size: acl.length }, names: [name], data: acl });
    const request = { mode: 0o100666, umask: 0o077 };
    const [made] = kernel.done("MKNOD", nodeid, { request, names: [Buffer.from("x")] }).out;
    assert.equal((made?.attr.mode ?? 0) & 0o7777, 0o666);
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });

  it("shows nobody what the device held before, mapped or not", () => {
    const { kernel, file } = stage("ext4, 4 KiB blocks");
    kernel.onIoend = () => {};
    assert.equal(kernel.write(file, 0, new Uint8Array(100_000).fill(9)), 100_000);
    assert.ok(kernel.read(file, 0, 100_000).every((byte) => byte === 0));
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
    assert.ok(kernel.device.platter.includes(STALE));
  });

  it("gives one write more than 100 MiB at a time, where they lie together", () => {
    const kernel = new FakeKernel(makeImage(variantOf("ext4, 4 KiB blocks"), 300), { blockSize: 4096 });
    const file = kernel.create("f");
    const slot = kernel.begin(file, 0, 2 ** 40, Op.write | Op.direct);
    assert.ok(typeof slot !== "number");
    assert.ok(slot.length > 100n << 20n, `${slot.length} bytes`);
    kernel.unmount();
    withCleanImage(kernel.device.platter, () => {});
  });
});
