/** Several opens of one inode, and what outlives names and descriptors. Oracle: what Linux promises of files; the source itself. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { MemoryMap, Protection } from "@bulkhead/linux";
import { exercise } from "./exercise.js";
import { cannotMount, Mirrored } from "./mirrored.js";

const { SEED: seedText } = process.env;
const SEED = Number(seedText ?? Math.floor(Math.random() * 2 ** 31));
const main = new URL("./main.js", import.meta.url).pathname;
const skip = cannotMount();
const noNamespaces = () => (spawnSync("unshare", ["-Urm", "true"]).status === 0 ? false : "no user namespaces");
const plain = mkdtempSync(join(tmpdir(), "mirror-plain-"));
after(() => rmSync(plain, { recursive: true }));

describe("open files", { skip, timeout: 180_000 }, () => {
  test("two opens of one inode, one of them by another name, are one file", async () => {
    const mirror = await Mirrored.start();
    try {
      writeFileSync(mirror.path("one"), "0123456789");
      spawnSync("ln", [mirror.path("one"), mirror.path("two")]);
      const [first, second] = [openSync(mirror.path("one"), "r+"), openSync(mirror.path("two"), "r+")];
      const third = openSync(mirror.path("one"), "r");
      writeSync(first, "abc", 2);
      const bytes = Buffer.alloc(10);
      assert.equal(readSync(second, bytes, 0, 10, 0), 10);
      assert.equal(bytes.toString(), "01abc56789");
      closeSync(first);
      writeSync(second, "longer than before", 5);
      assert.equal(fstatSync(third).size, 23);
      assert.equal(statSync(mirror.path("one")).size, 23);
      assert.equal(statSync(mirror.path("one")).ino, statSync(mirror.path("two")).ino);
      closeSync(second);
      closeSync(third);
    } finally {
      await mirror.remove();
    }
  });

  test("a file that is unlinked while it is open lives until it is closed", async () => {
    const mirror = await Mirrored.start();
    try {
      const fd = openSync(mirror.path("gone"), "wx+");
      writeSync(fd, "still here");
      const map = new MemoryMap(fd, 10, Protection.READ);
      unlinkSync(mirror.path("gone"));
      assert.ok(!existsSync(mirror.path("gone")) && !existsSync(mirror.below("gone")));
      assert.equal(fstatSync(fd).nlink, 0);
      writeSync(fd, "!", 10);
      assert.equal(fstatSync(fd).size, 11);
      const again = openSync(`/proc/self/fd/${fd}`, "r");
      const bytes = Buffer.alloc(11);
      assert.equal(readSync(again, bytes, 0, 11, 0), 11);
      assert.equal(bytes.toString(), "still here!");
      closeSync(again);
      writeFileSync(mirror.path("gone"), "another");
      assert.equal(readSync(fd, bytes, 0, 11, 0), 11);
      assert.equal(bytes.toString(), "still here!");
      closeSync(fd);
      assert.equal(Buffer.from(map.read(0, 5)).toString(), "still");
      map.unmap();
      assert.equal(readFileSync(mirror.below("gone"), "utf8"), "another");
    } finally {
      await mirror.remove();
    }
  });

  test("the times of what a mapping writes are seen, though no request tells of it", async () => {
    const mirror = await Mirrored.start(["--valid", "3600"]);
    try {
      writeFileSync(mirror.path("mapped"), Buffer.alloc(4096));
      spawnSync("touch", ["-d", "2001-02-03", mirror.path("mapped")]);
      const before = statSync(mirror.path("mapped")).mtimeMs;
      const fd = openSync(mirror.path("mapped"), "r+");
      const map = new MemoryMap(fd, 4096, Protection.READ | Protection.WRITE);
      closeSync(fd);
      map.write(0, Buffer.from("x"));
      const after = statSync(mirror.path("mapped")).mtimeMs;
      assert.ok(after > before, `${after}`);
      assert.equal(after, statSync(mirror.below("mapped")).mtimeMs);
      map.unmap();
    } finally {
      await mirror.remove();
    }
  });

  test(`a mirror of a mirror passes through with --stack-depth 2, and does without at 1, saying so (seed ${SEED})`, async () => {
    const first = await Mirrored.start();
    try {
      writeFileSync(first.below("file"), "at the bottom");
      for (const [depth, says] of [
        ["2", false],
        ["1", true],
      ] as const) {
        const second = await Mirrored.start(["--stack-depth", depth], first.mountpoint);
        try {
          assert.equal(readFileSync(second.path("file"), "utf8"), "at the bottom");
          exercise(second.path("subject"), join(plain, "oracle"), SEED, 300);
          if (says) await second.said(/without passthrough: .*ELOOP/);
          else assert.doesNotMatch(second.output, /without/);
        } finally {
          await second.remove();
        }
      }
    } finally {
      await first.remove();
    }
  });

  test("without the privilege, in a user namespace, the mirror says so once and does without", {
    skip: noNamespaces(),
  }, () => {
    const folder = join(plain, "namespace");
    const script = `
      mkdir -p ${folder}/source ${folder}/mirror; cd ${folder}
      ${process.execPath} ${main} source mirror > said 2>&1 & server=$!
      for i in $(seq 500); do grep -q mirrored said && break; sleep 0.01; done
      echo one > mirror/a; echo two >> mirror/a; cat mirror/a; cp mirror/a mirror/b; cat source/b
      kill -INT $server; wait $server; cat said`;
    const { stdout, stderr } = spawnSync("unshare", ["-Urm", "bash", "-c", script], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 60_000,
    });
    const lines = stdout.trim().split("\n");
    assert.deepEqual(lines.slice(0, 4), ["one", "two", "one", "two"], stdout + stderr);
    assert.match(lines[4] ?? "", /mirrored at/);
    assert.match(lines[5] ?? "", /^without passthrough: .*BACKING_OPEN.*CAP_SYS_ADMIN.*EPERM$/);
    assert.equal(lines.length, 6, stdout);
  });
});
