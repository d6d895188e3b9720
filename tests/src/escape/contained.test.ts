/**
 * A contained mount whose server an image has taken over: the whole program, with launcher and helper. Oracle: /proc and the mount
 * table as the outside sees them, and the helper's answers.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { unmount } from "@bulkhead/fuse";
import { run } from "../system/process.js";
import { refused } from "./hostile-words.js";
import { Takeover, withoutTakeover } from "./takeover.js";

describe("a contained server", { skip: withoutTakeover() }, () => {
  let takeover: Takeover;
  before(() => {
    takeover = new Takeover();
  });
  after(() => takeover.close());

  test("that was taken over reads no file, and is not mounted", async () => {
    const attack = await takeover.mount("attempt", "Files", "read /etc/passwd");
    await takeover.failed(attack);
    assert.deepEqual(attack.said, ["EACCES"]);
  });

  test("that was taken over gets nothing else from the helper", async () => {
    const attack = await takeover.mount("say", ...refused.map(({ name }) => name));
    await takeover.failed(attack);
    assert.deepEqual(
      attack.said,
      refused.map(({ name, answer }) => `${name}: ${answer}`),
    );
  });

  test("has nothing that a parser does not need, in any thread, as the outside sees it", async () => {
    const { server, pid } = await takeover.mount("mute");
    const threads = readdirSync(`/proc/${pid}/task`);
    assert.ok(threads.length > 1);
    for (const thread of threads) {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "latin1");
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(status, /^Seccomp:\t2$/m);
      assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
      for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"]) assert.match(status, new RegExp(`^Cap${set}:\t0+$`, "m"));
    }
    const limits = readFileSync(`/proc/${pid}/limits`, "latin1");
    assert.match(limits, /^Max data size +2147483648 +2147483648 /m);
    assert.match(limits, /^Max processes +0 +0 /m);
    assert.match(limits, /^Max core file size +0 +0 /m);
    assert.match(limits, /^Max file size +8388608 +8388608 /m);
    unmount(takeover.mountPoint);
    await server.ended;
    run("e2fsck", ["-fn", takeover.image]);
  });
});
