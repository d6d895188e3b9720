// Oracle: DESIGN.md's rules for what is wrong with an image while it is mounted: an errno, a line in the log, and life goes on.
import assert from "node:assert/strict";
import { copyFileSync, truncateSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { baseImage, corpus, damagedImage, isForWriters } from "../bad-input/corpus.js";
import { withoutMountTools } from "../facilities.js";
import { debugfs } from "../images/build.js";
import { run } from "../system/process.js";
import { ask, Bench, type ServedMount } from "./served-mount.js";
import { makeTree } from "./tree.js";

const EUCLEAN = "Structure needs cleaning";
const ENOKEY = "Required key not available";
/** What only our own mistakes look like. */
const CRASH = /TypeError|RangeError|\n\s+at /;
const EIO = "Input/output error";

describe("a mount of an image that is not what it should be", { skip: withoutMountTools() }, () => {
  let bench: Bench;
  let image = "";

  before(() => {
    bench = new Bench();
    image = bench.path("image");
    makeTree(image);
  });
  after(() => bench.clear());

  function copy(name: string, ...requests: string[]): string {
    const path = bench.path(name);
    copyFileSync(image, path);
    if (requests.length > 0) debugfs(path, 0, requests);
    return path;
  }

  /** Reads everything below a mount by every tool that may meet damage. */
  function readAll({ mountPoint }: ServedMount): string {
    const script = `
      ls -laR . ; find . -type f -exec cat {} + > /dev/null; find . -type l -exec readlink {} +
      getfattr -R -h -d -m - . > /dev/null; stat -f . > /dev/null; cat plain/small indexed/nothing`;
    return ask("sh", ["-c", script], mountPoint).stderr;
  }

  /** Allocates and frees wherever that is possible. */
  function changeAll({ mountPoint }: ServedMount): void {
    ask("sh", ["-c", "for dir in */; do cp -r $dir copy; rm -r copy $dir; done; sync -f ."], mountPoint);
  }

  it("damaged inodes are EUCLEAN, the rest is read, the log says what and where once", async () => {
    const served = await bench.serve(
      copy("damaged", "set_inode_field files/small mode 0", "set_inode_field dirs/a mode 0"),
      ["ro"],
    );
    for (const path of ["files/small", "dirs/a", "dirs/a/b", "links/hard"]) {
      const { code, stderr } = ask("stat", [path], served.mountPoint);
      assert.notEqual(code, 0);
      assert.match(stderr, new RegExp(EUCLEAN), path);
    }
    const listing = ask("ls", ["-la", "files"], served.mountPoint);
    assert.match(listing.stdout, /fragments/);
    assert.match(listing.stderr, new RegExp(EUCLEAN));
    assert.equal(ask("wc", ["-c", "files/big"], served.mountPoint).stdout, "3000000 files/big\n");
    const said = (await served.stop()).split("\n");
    assert.ok(said.length < 20, "one line for each time");
    for (const line of said) assert.match(line, /corrupt: .*inode \d+.*e2fsck|more errors/);
  });

  for (const damage of corpus) {
    it(`lives with ${damage.kind}: ${damage.what}`, async () => {
      const path = bench.path("specimen");
      writeFileSync(path, damagedImage(damage));
      let served: ServedMount;
      try {
        served = await bench.serve(path, [isForWriters(damage) ? "rw" : "ro"]);
      } catch (error) {
        assert.match(String(error), /exit 3: .*corrupt: /, "refused for what it is");
        assert.match(damage.kind, /^(superblock|group-descriptor|journal)-|^(mmp|quota-file)$/);
        return;
      }
      if (isForWriters(damage)) changeAll(served);
      const errors = readAll(served);
      // What only the list of orphans tells is of no concern to readers.
      const said = await served.stop();
      if (damage.kind !== "orphan-list") {
        // The allocators go on in another group.
        if (!isForWriters(damage)) assert.match(errors, new RegExp(EUCLEAN));
        assert.match(said, /corrupt: /);
      }
      assert.doesNotMatch(said, CRASH);
    });
  }

  it("errors=panic ends the server at the first damage, and the mount answers ENOTCONN", async () => {
    const path = copy("panic", "set_inode_field files/small mode 0");
    const served = await bench.serve(path, ["ro", "errors=panic"]);
    assert.equal(ask("cat", ["files/empty"], served.mountPoint).code, 0);
    const { stderr } = ask("cat", ["files/small"], served.mountPoint);
    assert.notEqual(stderr, "");
    const { code } = await served.end();
    assert.notEqual(code, 0);
    assert.match(served.output, /errors=panic/);
    assert.match(ask("ls", [served.mountPoint]).stderr, /Transport endpoint is not connected|No such file/);
  });

  it("errors=panic in the superblock counts, the option overrides it", async () => {
    const path = copy("panic-sb", "set_inode_field files/small mode 0");
    run("tune2fs", ["-e", "panic", path]);
    const panics = await bench.serve(path, ["ro"]);
    ask("cat", ["files/small"], panics.mountPoint);
    assert.notEqual((await panics.end()).code, 0);
    const goesOn = await bench.serve(path, ["ro", "errors=continue"]);
    ask("cat", ["files/small"], goesOn.mountPoint);
    assert.equal(ask("cat", ["files/empty"], goesOn.mountPoint).code, 0);
    await goesOn.stop();
  });

  it("an image that is cut short while it is mounted gives EIO, and the server lives", async () => {
    const path = copy("shrinking");
    const served = await bench.serve(path, ["ro"]);
    assert.equal(ask("cat", ["files/small"], served.mountPoint).code, 0);
    truncateSync(path, 64 * 1024);
    assert.match(ask("cat", ["files/big"], served.mountPoint).stderr, new RegExp(EIO));
    const errors = ask(
      "sh",
      ["-c", "ls -lR . 2>&1 >/dev/null; cat files/fragments access/acl 2>&1 >/dev/null"],
      served.mountPoint,
    );
    assert.match(errors.stdout, new RegExp(EIO));
    truncateSync(path, 0);
    ask("ls", ["-lR", "."], served.mountPoint);
    assert.doesNotMatch(await served.stop(), CRASH);
  });

  it("encrypted files do not open: ENOKEY, as with the kernel", async () => {
    const path = bench.path("encrypted");
    const made = baseImage("plain");
    writeFileSync(path, made);
    run("tune2fs", ["-O", "encrypt", path]);
    const flags = 0x8_0000 | 0x800;
    debugfs(path, 0, [`set_inode_field plain/blocks flags ${flags}`]);
    const served = await bench.serve(path, ["ro"]);
    const { code, stderr } = ask("cat", ["plain/blocks"], served.mountPoint);
    assert.notEqual(code, 0);
    assert.match(stderr, new RegExp(ENOKEY));
    assert.equal(ask("stat", ["-c", "%s", "plain/blocks"], served.mountPoint).stdout, "9000\n");
    assert.equal(ask("cat", ["plain/small"], served.mountPoint).stdout, "small\n");
    assert.equal(ask("ls", ["plain"], served.mountPoint).code, 0);
  });
});
