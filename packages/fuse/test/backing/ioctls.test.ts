/** BACKING_OPEN and BACKING_CLOSE on a real connection. Oracle: the kernel's answers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Errno, O_PATH } from "@bulkhead/linux";
import { cannotMount } from "../mounts/fixture.js";
import { Passthrough } from "./fixture.js";

const O_RDONLY = 0;
const O_NOFOLLOW = 0o400000;

describe("backing files", { skip: cannotMount(), timeout: 120_000 }, () => {
  let fixture: Passthrough;
  let things: string;
  before(async () => {
    fixture = await Passthrough.start();
    things = mkdtempSync(join(tmpdir(), "fuse-backing-"));
    writeFileSync(join(things, "regular"), "x");
    symlinkSync("regular", join(things, "link"));
    spawnSync("mkfifo", [join(things, "fifo")]);
  });
  after(async () => {
    await fixture.remove();
    rmSync(things, { recursive: true });
  });
  const openOf = (name: string, flags: number) => fixture.ask({ do: "open", path: join(things, name), flags });

  test("an open regular file gets an id, an O_PATH descriptor of one as well, and each id is closed once", async () => {
    const first = (await openOf("regular", O_RDONLY)).result;
    const second = (await openOf("regular", O_PATH)).result;
    assert.ok(first >= 1 && second >= 1 && first !== second, `${first}, ${second}`);
    for (const id of [first, second]) {
      assert.equal(await fixture.do({ do: "close", id }), 0);
      const { result, message } = await fixture.ask({ do: "close", id });
      assert.equal(result, -Errno.ENOENT);
      assert.match(message ?? "", /FUSE_DEV_IOC_BACKING_CLOSE of id \d+ \(.*closed before.*\): ENOENT/);
    }
  });

  test("EBADF: a descriptor that is not open", async () => {
    assert.equal(await fixture.do({ do: "map", fd: 9999, flags: 0, padding: 0 }), -Errno.EBADF);
    assert.equal(await fixture.do({ do: "map", fd: -1, flags: 0, padding: 0 }), -Errno.EBADF);
  });

  test("EINVAL: what is no regular file, and bits that mean nothing; EISDIR: a directory", async () => {
    const { result, message } = await openOf("fifo", O_PATH);
    assert.equal(result, -Errno.EINVAL);
    assert.match(message ?? "", /only regular files/);
    assert.equal((await openOf("link", O_PATH | O_NOFOLLOW)).result, -Errno.EINVAL);
    assert.equal(await fixture.do({ do: "open", path: "/dev/null", flags: O_RDONLY }), -Errno.EINVAL);
    assert.equal(await fixture.do({ do: "map", fd: 0, flags: 2, padding: 0 }), -Errno.EINVAL);
    assert.equal(await fixture.do({ do: "map", fd: 0, flags: 0, padding: 1 }), -Errno.EINVAL);
    assert.equal((await openOf(".", O_RDONLY)).result, -Errno.EISDIR);
    for (const id of [0, -1]) {
      const closed = await fixture.ask({ do: "close", id });
      assert.equal(closed.result, -Errno.EINVAL);
      assert.match(closed.message ?? "", /ids are ≥ 1/);
    }
    assert.equal(await fixture.do({ do: "close", id: 9999 }), -Errno.ENOENT);
  });

  test("EPERM: without CAP_SYS_ADMIN, on a device that no mount has, and where INIT did not agree on it", async () => {
    const regular = join(things, "regular");
    const { result, message } = await fixture.ask({ do: "open", path: regular, flags: O_RDONLY, powerless: true });
    assert.equal(result, -Errno.EPERM);
    assert.match(message ?? "", /PASSTHROUGH.*CAP_SYS_ADMIN/);
    const id = await fixture.do({ do: "open", path: regular, flags: O_RDONLY });
    assert.equal(await fixture.do({ do: "close", id, powerless: true }), -Errno.EPERM);
    assert.equal(await fixture.do({ do: "close", id }), 0);
    assert.equal(await fixture.do({ do: "unattached", path: regular }), -Errno.EPERM);
    const plain = await Passthrough.start(0);
    try {
      assert.equal(await plain.do({ do: "open", path: regular, flags: O_RDONLY }), -Errno.EPERM);
      assert.equal(await plain.do({ do: "close", id: 1 }), -Errno.EPERM);
    } finally {
      await plain.remove();
    }
  });

  test("ELOOP: a backing file on a mount that has backing files itself, unless maxStackDepth is 2; never a third", async () => {
    const { result, message } = await fixture.ask({ do: "open", path: fixture.path("a"), flags: O_PATH });
    assert.equal(result, -Errno.ELOOP);
    assert.match(message ?? "", /maxStackDepth 2/);
    const second = await Passthrough.start(2, fixture.mountpoint);
    try {
      const id = await second.do({ do: "open", path: fixture.path("a"), flags: O_PATH });
      assert.ok(id >= 1, String(id));
      const third = await Passthrough.start(2, fixture.mountpoint);
      try {
        assert.equal(await third.do({ do: "open", path: second.path("a"), flags: O_PATH }), -Errno.ELOOP);
      } finally {
        await third.remove();
      }
    } finally {
      await second.remove();
    }
  });

  test("a mount of depth 1 can be a layer of an overlay, and backing files may lie there at depth 2 only", async () => {
    const layers = ["lower", "upper", "work", "merged"].map((name) => join(things, name)) as [
      string,
      string,
      string,
      string,
    ];
    for (const layer of layers) mkdirSync(layer);
    const [lower, upper, work, merged] = layers;
    writeFileSync(join(lower, "file"), "of the layer below");
    const overlay = (below: string) =>
      spawnSync("mount", [
        "-t",
        "overlay",
        "overlay",
        "-o",
        `lowerdir=${below},upperdir=${upper},workdir=${work}`,
        merged,
      ]).status === 0;
    const deep = await Passthrough.start(2);
    let mounted = false;
    try {
      assert.equal(overlay(deep.mountpoint), false, "depth 2 leaves no room for another layer");
      mounted = overlay(fixture.mountpoint);
      assert.ok(mounted, "depth 1 does");
      spawnSync("umount", [merged]);
      mounted = overlay(lower);
      assert.ok(mounted);
      const open = { do: "open", path: join(merged, "file"), flags: O_RDONLY } as const;
      assert.equal(await fixture.do(open), -Errno.ELOOP);
      const id = await deep.do(open);
      assert.ok(id >= 1, String(id));
      assert.equal(await deep.do({ do: "close", id }), 0);
    } finally {
      if (mounted) spawnSync("umount", ["--lazy", merged]);
      await deep.remove();
    }
  });
});
