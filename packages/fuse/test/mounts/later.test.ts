/** Handlers whose answers are promises'. Oracle: what programs read, and when. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { findMount, mountAndServe, unmount } from "../../src/index.js";
import { cannotMount, within } from "./fixture.js";

test("a file system that has the event loop answers by promises, out of order", { skip: cannotMount() }, async () => {
  const mountpoint = mkdtempSync(join(tmpdir(), "fuse-later-"));
  const ticks = new Int32Array(new SharedArrayBuffer(4));
  const log: string[] = [];
  const ended: string[] = [];
  const cat = async (name: string) => {
    const child = spawn("cat", [join(mountpoint, name)], { env: { LC_ALL: "C" }, timeout: 5000 });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
    await once(child, "close");
    ended.push(name);
    return said;
  };
  try {
    const served = await mountAndServe({
      mountpoint,
      module: new URL("./later-filesystem.js", import.meta.url),
      data: ticks.buffer,
      log: (line) => log.push(line),
    });
    const answers = Promise.all(["late", "soon", "read", "refused", "broken"].map(cat));
    const [late, soon, read, refused, broken] = await within(answers, "answers");
    assert.deepEqual([late, soon, read], ["late", "soon", "Linux\n"]);
    assert.match(`${refused}${broken}`, /refused: No such file or directory\n.*broken: Input\/output error\n/);
    assert.equal(ended.at(-1), "late");
    // The kernel asks again where it read ahead.
    assert.match(log[0] ?? "", /^READ of nodeid 6 failed: Error: broken as told\n/);
    assert.ok(
      log.every((line) => line.includes("broken as told")),
      log.join("\n"),
    );
    const before = Atomics.load(ticks, 0);
    for (let i = 0; i < 500 && Atomics.load(ticks, 0) < before + 3; i++) await sleep(5);
    assert.ok(Atomics.load(ticks, 0) >= before + 3, "its timers run when nobody asks for anything");
    void cat("late");
    await sleep(50);
    await within(served.unmount(), "the end", 10_000);
  } finally {
    if (findMount(mountpoint)) unmount(mountpoint, { lazy: true });
    rmdirSync(mountpoint);
  }
});
