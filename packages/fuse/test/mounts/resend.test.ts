/** A server that dies in the middle of a request, and its successor. Oracle: the application that was waiting. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { test } from "node:test";
import { mountFuse, unmount } from "../../src/index.js";
import { cannotMount, within } from "./fixture.js";

interface Line {
  readonly negotiated?: object;
  readonly read?: string;
  readonly again?: boolean;
  readonly resend?: number;
  readonly end?: string;
}

/** A life of the server, with the mount's descriptor as its number 3. */
class Life {
  readonly child: ChildProcess;
  readonly #said: Line[] = [];
  readonly #lines: Interface;

  constructor(fd: number, args: readonly string[]) {
    const script = new URL("./resend-server.js", import.meta.url).pathname;
    this.child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit", fd] });
    this.#lines = createInterface({ input: this.child.stdout! });
    this.#lines.on("line", (line) => this.#said.push(JSON.parse(line) as Line));
  }

  /** What the server says about `key`, whatever it says before. */
  async say<K extends keyof Line>(key: K): Promise<NonNullable<Line[K]>> {
    for (;;) {
      const said = this.#said.find((line) => line[key] !== undefined)?.[key];
      if (said !== undefined) return said;
      await within(once(this.#lines, "line"), `the server's line "${key}"`);
    }
  }
}

test("RESEND: a read outlives two killed servers", { skip: cannotMount(), timeout: 60_000 }, async () => {
  const mountpoint = mkdtempSync(join(tmpdir(), "fuse-resend-"));
  // This process holds the descriptor and never touches the mount itself.
  const { fd } = mountFuse(mountpoint, { subtype: "resend" });
  const children: ChildProcess[] = [];
  const live = (args: string[]) => {
    const life = new Life(fd, args);
    children.push(life.child);
    return life;
  };
  try {
    const first = live(["hold"]);
    const reader = spawn("head", ["-c", "4", join(mountpoint, "file")], { stdio: ["ignore", "pipe", "inherit"] });
    children.push(reader);
    let output = "";
    reader.stdout.on("data", (chunk) => {
      output += chunk;
    });
    const finished = once(reader, "close");
    const negotiated = JSON.stringify(await first.say("negotiated"));
    assert.equal(await first.say("read"), "hold");
    first.child.kill("SIGKILL");
    await once(first.child, "exit");

    const second = live(["hold", negotiated]);
    assert.equal(await second.say("resend"), 0);
    assert.equal(await second.say("again"), true);
    second.child.kill("SIGKILL");
    await once(second.child, "exit");
    assert.equal(output, "");

    const third = live(["answer", negotiated]);
    assert.equal(await third.say("resend"), 0);
    await within(finished, "the reader's end");
    assert.equal(output, "RRRR");
    unmount(mountpoint);
    assert.equal(await third.say("end"), "unmounted");
  } finally {
    for (const child of children) child.kill("SIGKILL");
    try {
      unmount(mountpoint, { lazy: true });
    } catch {}
    closeSync(fd);
    rmdirSync(mountpoint);
  }
});
