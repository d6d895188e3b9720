// Oracles: dumpe2fs, e2fsck and the kernel's own mounts.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import { MemoryDevice } from "../../src/device/memory.js";
import { CorruptionError, DeviceError, FileSystemError, UnsupportedFeatureError } from "../../src/errors.js";
import { FileSystem, type MountOptions } from "../../src/filesystem.js";
import type { Inode } from "../../src/inode/inode.js";
import { openVolume } from "../../src/superblock/open-volume.js";
import { ImageDirectory, missingLoopMount, openImage, run, TestEnvironment } from "../images.js";
import { checkImage } from "../writable.js";
import {
  bytesOf,
  contentsOf,
  contentsOfMount,
  memoryOf,
  mountForWriting,
  openForWriting,
  remove,
  withWritable,
  writeFile,
} from "./writing.js";

const skip = missingLoopMount() ?? false;
const images = new ImageDirectory();
after(() => images.remove());

function field(image: string, name: string): string {
  return new RegExp(`^${name}:\\s+(.*)$`, "m").exec(run("dumpe2fs", ["-h", image]))?.[1] ?? "";
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FileSystemError && error.code === code;
}

describe("a mount for writing", { skip }, () => {
  it("is in the superblock while it lasts, and a clean unmount after it", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    const environment = new TestEnvironment();
    const mounted = mountForWriting(openForWriting(image), { mountPoint: "/media/stick" }, environment);
    assert.match(field(image, "Filesystem features"), /needs_recovery/);
    assert.equal(field(image, "Filesystem state"), "clean");
    assert.equal(field(image, "Mount count"), "1");
    assert.equal(field(image, "Last mounted on"), "/media/stick");
    assert.match(field(image, "Last mount time"), /2023/);
    writeFile(mounted, mounted.root, "file", new Uint8Array(100_000));
    mounted.unmount();
    assert.throws(() => mounted.setAccessTime(mounted.root), hasCode("EROFS"));
    mounted.close();
    assert.doesNotMatch(field(image, "Filesystem features"), /needs_recovery/);
    assert.equal(field(image, "Filesystem state"), "clean");
    assert.ok(Number(/(\d+) kB/.exec(field(image, "Lifetime writes"))?.[1]) >= 100, field(image, "Lifetime writes"));
    checkImage(image);
  });

  it("takes the clean state away where there is no journal, and leaves an unclean one unclean", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-O", "^has_journal"]);
    const mounted = mountForWriting(openForWriting(image));
    assert.equal(field(image, "Filesystem state"), "not clean");
    mounted.create(mounted.root, bytesOf("name"), { mode: 0o100644, uid: 0, gid: 0 });
    mounted.sync();
    mounted.close();
    withWritable(image, () => {});
    assert.equal(field(image, "Filesystem state"), "not clean");
    // 1: it has changed something, the state.
    assert.equal(spawnSync("e2fsck", ["-fp", image]).status, 1);
    withWritable(image, () => {});
    assert.equal(field(image, "Filesystem state"), "clean");
  });

  it("is refused for what can only be read, by name", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    const refusal = (options = {}, device = memoryOf(image)) => {
      let thrown: unknown;
      try {
        mountForWriting(device, options);
      } catch (error) {
        thrown = error;
      }
      return thrown;
    };
    assert.ok(hasCode("EROFS")(refusal({}, new MemoryDevice(memoryOf(image).bytes, { readOnly: true }))));
    assert.ok(hasCode("EROFS")(refusal({ loadJournal: false })));
    assert.ok(hasCode("EROFS")(refusal({ superblock: 8193 })));
    assert.equal(refusal(), undefined);
    for (const name of ["read-only", "shared_blocks", "FEATURE_R20"]) {
      run("debugfs", ["-w", "-R", `feature ${name}`, image]);
      const error = refusal();
      assert.ok(error instanceof UnsupportedFeatureError, String(error));
      assert.ok(error.features.includes(name), error.message);
    }
  });

  it("gives what is made the group of its directory where the superblock or an option says so, as the kernel does", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    run("tune2fs", ["-o", "bsdgroups", image]);
    const groups: Record<string, string> = {};
    const noteGroups = (by: string, fs: FileSystem, dir: Inode) => {
      for (const [name, inode] of [
        ["file", fs.create(dir, bytesOf(`${by} file`), { mode: 0o100644, uid: 0, gid: 5 })],
        ["dir", fs.mkdir(dir, bytesOf(`${by} dir`), { mode: 0o755, uid: 0, gid: 5 })],
        ["link", fs.symlink(dir, bytesOf(`${by} link`), bytesOf("target"), { uid: 0, gid: 5 })],
      ] as const) {
        groups[`${by} ${name}`] = `${inode.gid} ${(inode.mode & 0o7777).toString(8)}`;
      }
    };
    images.mounted(image, "rw", (root) => {
      fs.mkdirSync(`${root}/dir`);
      fs.chownSync(`${root}/dir`, 0, 77);
      fs.chmodSync(`${root}/dir`, 0o2755);
      fs.writeFileSync(`${root}/dir/file`, "", { mode: 0o644 });
      fs.mkdirSync(`${root}/dir/dir`, 0o755);
      fs.symlinkSync("target", `${root}/dir/link`);
      for (const name of ["file", "dir", "link"]) {
        const { gid, mode } = fs.lstatSync(`${root}/dir/${name}`);
        groups[`kernel ${name}`] = `${gid} ${(mode & 0o7777).toString(8)}`;
      }
    });
    const inDirectory = (by: string, options: MountOptions) =>
      withWritable(image, (fs) => noteGroups(by, fs, fs.inode(fs.lookup(fs.root, bytesOf("dir")))), options);
    inDirectory("superblock", {});
    run("tune2fs", ["-o", "^bsdgroups", image]);
    inDirectory("grpid", { directoryGroups: true });
    inDirectory("default", {});
    assert.deepEqual([groups["kernel file"], groups["kernel dir"]], ["77 644", "77 755"]);
    for (const name of ["file", "dir", "link"]) {
      assert.equal(groups[`superblock ${name}`], groups[`kernel ${name}`], name);
      assert.equal(groups[`grpid ${name}`], groups[`kernel ${name}`], name);
    }
    assert.equal(groups["default dir"], "77 2755");
    withWritable(image, (fs) => noteGroups("root", fs, fs.root));
    withWritable(image, (fs) => noteGroups("grpid root", fs, fs.root), { directoryGroups: true });
    assert.deepEqual([groups["root file"], groups["grpid root file"]], ["5 644", "0 644"]);
    checkImage(image);
  });

  it("counts what is free, whatever a crash left in the superblock, as the kernel does", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    const crashed = images.file("crashed");
    images.mounted(image, "rw", (root) => {
      fs.writeFileSync(`${root}/file`, Buffer.alloc(3_000_000, 1));
      run("sync", ["-f", root]);
      fs.copyFileSync(image, crashed);
    });
    const before = field(crashed, "Free blocks");
    const mounted = mountForWriting(memoryOf(crashed));
    const { blocksFree, blocksAvailable, filesFree } = mounted.statfs();
    images.mounted(crashed, "rw", (root) => {
      const { bfree, bavail, ffree } = fs.statfsSync(root);
      assert.notEqual(bfree, Number(before), "the superblock is behind");
      assert.deepEqual([blocksFree, blocksAvailable, filesFree], [bfree, bavail, ffree]);
    });
  });

  it("gives a superblock of the original revision the next one with its first feature, as the kernel does", () => {
    const features = (image: string) =>
      ["Filesystem revision #", "Filesystem features", "First inode", "Inode size"].map((name) => field(image, name));
    const image = images.make("image", "4M", ["-r", "0", "-b", "1024", "-O", "none"]);
    const kernels = images.file("kernels");
    fs.copyFileSync(image, kernels);
    images.mounted(kernels, "rw", (root) => {
      fs.writeFileSync(`${root}/file`, "");
      fs.truncateSync(`${root}/file`, 2 ** 32);
    });
    withWritable(image, (mounted) => mounted.resize(writeFile(mounted, mounted.root, "file", bytesOf("")), 2 ** 32));
    checkImage(image);
    assert.deepEqual(features(image), features(kernels));
    assert.match(field(image, "Filesystem revision #"), /^1/);
    withWritable(image, (mounted) => {
      mounted.setXattr(mounted.inode(mounted.lookup(mounted.root, bytesOf("file"))), "user.a", bytesOf("b"));
    });
    assert.equal(field(image, "Filesystem features"), "ext_attr large_file");
    checkImage(image);
  });

  it("says that it does not heed the mount options in the superblock", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    run("tune2fs", ["-E", "mount_opts=data=journal", image]);
    const environment = new TestEnvironment();
    mountForWriting(memoryOf(image), {}, environment);
    assert.match(environment.lines.join(), /options in the superblock have no effect.*: data=journal$/);
  });

  it("commits when its time has come, and not before", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    const environment = new TestEnvironment();
    const device = memoryOf(image);
    const mounted = mountForWriting(device, { commitInterval: 7 }, environment);
    assert.equal(mounted.nextDeadline, -1);
    writeFile(mounted, mounted.root, "file", bytesOf("contents"));
    assert.equal(mounted.nextDeadline, 7000);
    environment.seconds += 6;
    mounted.tick();
    assert.deepEqual(contentsOf(new MemoryDevice(device.bytes.slice())), []);
    environment.seconds += 1;
    assert.equal(mounted.nextDeadline, 0);
    mounted.tick();
    assert.equal(mounted.nextDeadline, -1);
    assert.equal(contentsOf(new MemoryDevice(device.bytes.slice())).length, 1);
  });

  it("syncs a file without a commit when there is nothing of it to commit", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    const device = memoryOf(image);
    const mounted = mountForWriting(device);
    const { transactions } = mounted.volume;
    const file = writeFile(mounted, mounted.root, "file", bytesOf("contents"));
    const other = writeFile(mounted, mounted.root, "other", bytesOf("contents"));
    const first = transactions!.tid;
    mounted.fsync(file, true);
    assert.equal(transactions!.tid, first + 1, "its blocks were in the transaction");
    mounted.fsync(other);
    assert.equal(transactions!.tid, first + 1, "which was the other file's as well");
    mounted.setAccessTime(file);
    mounted.fsync(file, true);
    assert.equal(transactions!.tid, first + 1, "fdatasync does not care for times");
    mounted.fsync(file);
    assert.equal(transactions!.tid, first + 2);
    mounted.setAccessTime(file);
    mounted.volume.inodes.delete(file.ino);
    mounted.fsync(mounted.inode(file.ino));
    assert.equal(transactions!.tid, first + 3, "an inode that was read again may have been changed before");
  });

  for (const [name, options] of [
    ["a journal", []],
    ["no journal", ["-O", "^has_journal"]],
  ] as const) {
    it(`has fdatasync wait for a file's new names where the kernel's does, with ${name}`, () => {
      const image = images.make("image", "16M", ["-t", "ext4", ...options]);
      const device = memoryOf(image);
      const mounted = mountForWriting(device);
      const file = writeFile(mounted, mounted.root, "file", bytesOf("contents"));
      mounted.sync();
      const names = () => contentsOf(new MemoryDevice(device.bytes.slice())).map((line) => line.split(" ")[0]!);
      mounted.link(file, mounted.root, bytesOf("second"));
      mounted.fsync(file, true);
      assert.equal(names().includes("/second"), name === "no journal");
      mounted.rename(mounted.root, bytesOf("file"), mounted.root, bytesOf("third"));
      mounted.fsync(file, true);
      assert.equal(names().includes("/third"), name === "no journal");
      mounted.fsync(file);
      assert.deepEqual(names(), ["/second", "/third"]);
      mounted.unmount();
      fs.writeFileSync(image, device.bytes);
      checkImage(image);
    });

    it(`puts errors on record on the device at once, with ${name}`, () => {
      const image = images.make("image", "16M", ["-t", "ext4", ...options]);
      const mounted = mountForWriting(openForWriting(image), { errors: "continue" });
      mounted.create(mounted.root, bytesOf("before"), { mode: 0o100644, uid: 0, gid: 0 });
      mounted.recordError(new CorruptionError("extent-order", { inode: 12, block: 77 }, "a test"));
      assert.equal(field(image, "FS Error count"), "1");
      assert.equal(field(image, "First error inode #"), "12");
      assert.match(field(image, "Filesystem state"), /with errors/);
      mounted.create(mounted.root, bytesOf("after"), { mode: 0o100644, uid: 0, gid: 0 });
      mounted.unmount();
      mounted.close();
      assert.equal(field(image, "FS Error count"), "1");
      assert.match(field(image, "Filesystem state"), /with errors/);
      assert.equal(contentsOf(openImage(image)).length, 2);
    });
  }

  for (const errors of ["continue", "remount-ro"] as const) {
    it(`puts errors on record on the device once a second at most, with errors=${errors}`, () => {
      const image = images.make("image", "16M", ["-t", "ext4"]);
      const environment = new TestEnvironment();
      const device = new MemoryDevice(new Uint8Array(fs.readFileSync(image)));
      const mounted = mountForWriting(device, { errors }, environment);
      const onDevice = () => openVolume(device).superblock.errorCount;
      const record = () => mounted.recordError(new CorruptionError("extent-order", { inode: 12 }, "a test"));
      for (let n = 0; n < 5; n++) record();
      assert.equal(onDevice(), 1);
      environment.seconds++;
      for (let n = 0; n < 5; n++) record();
      assert.equal(onDevice(), 6);
      environment.seconds--; // somebody sets the clock back
      for (let n = 0; n < 5; n++) record();
      assert.equal(onDevice(), 11);
      mounted.unmount();
      if (errors === "continue") assert.equal(onDevice(), 15);
      mounted.close();
    });
  }

  it("ends all changing after an error under errors=remount-ro, and the journal says why", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-b", "1024"]);
    const mounted = mountForWriting(openForWriting(image), { errors: "remount-ro" });
    writeFile(mounted, mounted.root, "synced", bytesOf("contents"));
    mounted.sync();
    writeFile(mounted, mounted.root, "lost", bytesOf("contents"));
    mounted.recordError(new CorruptionError("extent-order", { inode: 12 }, "a test"));
    assert.throws(() => writeFile(mounted, mounted.root, "later", bytesOf("")), hasCode("EROFS"));
    assert.throws(() => mounted.sync(), hasCode("EROFS"));
    assert.equal(mounted.lookup(mounted.root, bytesOf("synced")) > 0, true);
    mounted.unmount();
    mounted.close();
    assert.match(field(image, "Filesystem features"), /needs_recovery/);
    assert.match(run("dumpe2fs", ["-h", image]), /Journal errno:\s+-5/);
    const environment = new TestEnvironment();
    const again = mountForWriting(openForWriting(image), {}, environment);
    assert.match(environment.lines.join(), /recorded from previous mount: IO failure/);
    again.unmount();
    again.close();
    assert.equal(field(image, "FS Error count"), "1");
    assert.match(field(image, "Filesystem state"), /with errors/);
    assert.doesNotMatch(run("dumpe2fs", ["-h", image]), /Journal errno/);
    assert.equal(contentsOf(openImage(image)).length, 1);
    checkImage(image);
  });

  it("ends all changing when the device fails a commit", () => {
    const image = images.make("image", "16M", ["-t", "ext4"]);
    class FailingDevice extends MemoryDevice {
      fails = false;
      override write(offset: number, source: Uint8Array): void {
        if (this.fails) throw new DeviceError("write", offset, source.length, "broken");
        super.write(offset, source);
      }
    }
    const device = new FailingDevice(memoryOf(image).bytes);
    const mounted = mountForWriting(device);
    writeFile(mounted, mounted.root, "synced", bytesOf("contents"));
    mounted.sync();
    mounted.create(mounted.root, bytesOf("lost"), { mode: 0o100644, uid: 0, gid: 0 });
    device.fails = true;
    assert.throws(() => mounted.sync(), DeviceError);
    device.fails = false;
    assert.throws(() => mounted.sync(), hasCode("EROFS"));
    mounted.unmount();
    assert.equal(contentsOf(new MemoryDevice(device.bytes.slice())).length, 1);
  });

  it("ends what a crash left unfinished, on the list or in the file, of our crashes and the kernel's view of them", () => {
    for (const features of ["^orphan_file", "orphan_file", "orphan_file,^metadata_csum"]) {
      const image = images.make("image", "16M", ["-t", "ext4", "-b", "1024", "-O", features]);
      const mounted = mountForWriting(openForWriting(image));
      for (let n = 0; n < 5; n++) {
        writeFile(mounted, mounted.root, `open${n}`, new Uint8Array(50_000).fill(n));
        mounted.unlink(mounted.root, bytesOf(`open${n}`));
      }
      // One in the middle goes, and one gets a name again.
      const kept = mounted.volume.inodes.kept();
      mounted.release(kept[2]!);
      mounted.link(mounted.inode(kept[3]!), mounted.root, bytesOf("again"));
      mounted.sync();
      mounted.close();
      const copy = images.file("copy");
      fs.copyFileSync(image, copy);
      const environment = new TestEnvironment();
      const after = mountForWriting(openForWriting(image), {}, environment);
      assert.equal(after.superblock.lastOrphan, 0);
      const free = after.statfs().filesFree;
      after.unmount();
      after.close();
      checkImage(image);
      assert.equal(contentsOf(openImage(image)).length, 1);
      images.mounted(copy, "rw", (root) => assert.equal(contentsOfMount(root).length, 1));
      checkImage(copy);
      assert.equal(FileSystem.mount(openImage(copy)).statfs().filesFree, free, features);
    }
  });

  it("drops a list of orphans that leads nowhere, and puts that on record", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-O", "^metadata_csum"]);
    run("debugfs", ["-w", "-R", "ssv last_orphan 3", image]);
    const mounted = mountForWriting(openForWriting(image), { errors: "continue" });
    assert.equal(mounted.superblock.lastOrphan, 0);
    mounted.unmount();
    mounted.close();
    assert.equal(field(image, "FS Error count"), "1");
    run("e2fsck", ["-fn", image]);
  });

  it("undoes what an operation did that fails, the list of orphans included", () => {
    const image = images.make("image", "16M", ["-t", "ext4", "-b", "1024"]);
    withWritable(image, (mounted) => {
      writeFile(mounted, mounted.root, "first", bytesOf("1"));
      writeFile(mounted, mounted.root, "second", bytesOf("2"));
      mounted.unlink(mounted.root, bytesOf("first"));
      const { transactions } = mounted.volume;
      const second = mounted.inode(mounted.lookup(mounted.root, bytesOf("second")));
      const original = transactions!.run.bind(transactions);
      transactions!.run = (credits, body) =>
        original(credits, (handle) => {
          body(handle);
          throw new FileSystemError("ENOSPC", "a test");
        });
      assert.throws(() => mounted.unlink(mounted.root, bytesOf("second")), hasCode("ENOSPC"));
      transactions!.run = original;
      assert.equal(second.linksCount, 1);
      assert.equal(mounted.lookup(mounted.root, bytesOf("second")), second.ino);
      remove(mounted, mounted.root, "second");
    });
    checkImage(image);
  });
});
