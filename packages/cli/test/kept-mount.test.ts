// A mount and its keeper, where the server is only played. Oracle: the kernel, which waits for who has mounted a block device.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DeviceTransport, isOnDevice, mountFuse } from "@bulkhead/fuse";
import { Session } from "@bulkhead/fuse/protocol";
import { KeptMount } from "../src/mount/keeper/kept-mount.js";
import type { End, Server } from "../src/mount/keeper/server.js";
import { scratchDirectory, tool, withoutFuse, withoutLoopMounts } from "./command.js";

describe("a kept mount", { skip: withoutFuse() || withoutLoopMounts() }, () => {
  let directory = "";
  let loop = "";
  before(() => {
    directory = scratchDirectory();
    fs.mkdirSync(join(directory, "mnt"));
    fs.writeFileSync(join(directory, "image"), new Uint8Array(1 << 20));
    loop = tool("losetup", "--find", "--show", join(directory, "image")).trim();
  });
  after(() => {
    tool("losetup", "--detach", loop);
    fs.rmSync(directory, { recursive: true, force: true });
  });

  it("of a block device ends although its server answers nothing any more", { timeout: 30_000 }, async () => {
    const { fd, info } = mountFuse(join(directory, "mnt"), {
      device: { path: loop, release: () => {}, take: () => assert.fail("the kernel does not mount it") },
    });
    assert.ok(isOnDevice(info));
    answerInit(fd);
    let died: (end: End) => void = () => {};
    const told: string[] = [];
    const server = {
      notes: [],
      reason: undefined,
      ended: new Promise<End>((resolve) => {
        died = resolve;
      }),
      line: {
        onToldToEnd: () => {},
        // It is deaf for this as well, and would be killed in the end.
        stop() {
          told.push("stop");
          fs.closeSync(fd);
          died({ why: "killed", isCertain: true });
        },
      },
      kill: () => told.push("kill"),
    } as unknown as Server;
    const mount = new KeptMount(server, info, undefined, (line) => told.push(line), 200);
    await mount.end();
    assert.deepEqual(told, ["stop"]);
    await assert.rejects(mount.finished, /killed/);
  });
});

function answerInit(fuse: number): void {
  const session = new Session({});
  const transport = new DeviceTransport(fuse);
  const request = new Uint8Array(session.requestCapacity);
  transport.write(session.reply, session.handle(request, transport.read(request)));
}
