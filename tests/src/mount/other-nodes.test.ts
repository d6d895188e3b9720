// Under other versions of Node than the one that runs the tests: V8 and libuv do other things there, and the lock-down has to know them.
// Oracle: e2fsck.
import assert from "node:assert/strict";
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { withoutMountTools } from "../facilities.js";
import { run } from "../system/process.js";
import { ask, Bench, COMMAND, connectionOf, holdersOf, isContained, isMounted, ServedMount } from "./served-mount.js";

/** Their programs, with colons in between; `.ci/run` gets some. */
const NODES = (process.env["BULKHEAD_NODES"] ?? "").split(":").filter((node) => node !== "");
const skip = NODES.length === 0 ? "BULKHEAD_NODES names no other Node" : withoutMountTools();
const DIRECTORIES = 500;

describe("other versions of Node", { skip }, () => {
  let bench: Bench;
  before(() => {
    bench = new Bench();
    mkdirSync(bench.path("tree/deep/er"), { recursive: true });
    for (const name of ["one", "deep/two", "deep/er/three"])
      writeFileSync(bench.path(`tree/${name}`), name.repeat(10_000));
  });
  after(() => bench.clear());

  const fresh = (): string => {
    const image = bench.path("image");
    run("rm", ["-f", image]);
    run("mke2fs", ["-q", "-O", "has_journal,extent,64bit,metadata_csum", image, "64M"]);
    return image;
  };

  for (const node of NODES) {
    /** What is said besides is a failure as well: a V8 that does not know a flag says so. */
    const bulkhead = (...args: string[]): string => {
      const { code, stdout, stderr } = ask(node, [COMMAND, ...args]);
      assert.deepEqual([code, stderr], [0, ""], args.join(" "));
      return stdout;
    };

    it(`serve a mount, contained: ${ask(node, ["--version"]).stdout.trim()}`, () => {
      const [image, at] = [fresh(), bench.mountPoint()];
      bulkhead("mount", image, at);
      try {
        cpSync(bench.path("tree"), `${at}/tree`, { recursive: true });
        for (let i = 0; i < DIRECTORIES; i++) mkdirSync(`${at}/tree/deep/${i}`);
        const { contained } = JSON.parse(bulkhead("status", "--json", at)) as { readonly contained: boolean };
        assert.equal(contained, true);
        const server = holdersOf(connectionOf(at)).find(isContained);
        assert.ok(server !== undefined);
        process.kill(server, "SIGKILL");
        appendFileSync(`${at}/tree/one`, "more");
        assert.equal(readFileSync(`${at}/tree/one`, "latin1"), `${"one".repeat(10_000)}more`);
        assert.equal(readdirSync(`${at}/tree/deep`).length, DIRECTORIES + 2);
      } finally {
        bulkhead("umount", at);
      }
      assert.equal(isMounted(at), false);
      assert.match(bulkhead("ls", `${image}:/tree`), /^deep\none\n$/);
      run("e2fsck", ["-fn", image]);
    });

    it(`copy without a mount: ${node}`, () => {
      const [image, out] = [fresh(), bench.mountPoint()];
      bulkhead("cp", "-r", bench.path("tree"), `${image}:/`);
      bulkhead("cp", "-r", `${image}:/tree`, out);
      run("diff", ["-r", bench.path("tree"), `${out}/tree`]);
      run("e2fsck", ["-fn", image]);
    });

    it(`end when they are told to: ${node}`, async () => {
      const [image, at] = [fresh(), bench.mountPoint()];
      const served = await ServedMount.start(image, at, [], [node, COMMAND, "mount", "--foreground"]);
      try {
        process.kill(served.serverPid, "SIGTERM");
        assert.deepEqual(await served.end(), { code: 0, signal: null });
        // Not a word of one that died instead, and of another that went on.
        assert.doesNotMatch(served.output, /SIGSYS|killed|goes on|Error/);
      } finally {
        await served.clear();
      }
      run("e2fsck", ["-fn", image]);
    });
  }
});
