// A mount and its keeper, where the server is only played. Oracle: the kernel, which waits for who has mounted a block device.
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DeviceTransport, isOnDevice, mountFuse, unmount } from "@bulkhead/fuse";
import { Session } from "@bulkhead/fuse/protocol";
import { HeldMount } from "@bulkhead/service/helper";
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
    const { server, told } = deafServer(fd);
    const mount = new KeptMount(server, info, nothing, () => {}, { ...times, unmounting: 200 });
    await mount.end();
    assert.deepEqual(told, ["stop"]);
    await assert.rejects(mount.finished, /killed/);
  });

  it("leaves no server behind that goes on without it", { timeout: 30_000 }, async () => {
    const { fd, mountpoint, info } = mountFuse(join(directory, "mnt"));
    answerInit(fd);
    const { server, told } = deafServer(fd);
    const belongings = { ...nothing, held: new HeldMount(fd) };
    const mount = new KeptMount(server, info, belongings, () => {}, { ...times, look: 10, outliving: 100 });
    await sleep(200);
    assert.deepEqual(told, []);
    unmount(mountpoint);
    await assert.rejects(mount.finished, /killed/);
    assert.deepEqual(told, ["stop"]);
  });
});

const nothing = { held: undefined, successors: undefined };
const times = { unmounting: 60_000, outliving: 60_000, look: 60_000 };

/** One that answers nothing, and would not hear that it is to stop either: it is killed in the end, which is here at once. */
function deafServer(fuse: number): { readonly server: Server; readonly told: string[] } {
  let died: (end: End) => void = () => {};
  const told: string[] = [];
  const line = {
    onToldToEnd: () => {},
    stop() {
      told.push("stop");
      fs.closeSync(fuse);
      died({ why: "killed", isCertain: true });
    },
  };
  const ended = new Promise<End>((resolve) => {
    died = resolve;
  });
  const server = { notes: [], reason: undefined, ended, line, kill: () => told.push("kill") } as unknown as Server;
  return { server, told };
}

function answerInit(fuse: number): void {
  const session = new Session({});
  const transport = new DeviceTransport(fuse);
  const request = new Uint8Array(session.requestCapacity);
  transport.write(session.reply, session.handle(request, transport.read(request)));
}
