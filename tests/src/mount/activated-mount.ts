/**
 * A mount by a service, in the way of `bulkhead mount --foreground`: activated-mount.js IMAGE MOUNTPOINT [-o OPTION]…. Starts the
 * service (systemd-socket-activate and the shipped server), mounts through it with mount.bulkhead, and ends with the mount; SIGTERM
 * unmounts. What the keeper has to say, which stays behind mount.bulkhead, goes to the system log: here to standard error, in the end.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findMount } from "@bulkhead/fuse";
import { serverProgram } from "@bulkhead/server/contained";
import { Activation, asUser } from "../service/activation.js";
import { unmount } from "../system/loop.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { COMMAND, USER } from "./ways.js";

const [image = "", mountPoint = "", ...options] = process.argv.slice(2);
const { PATH } = process.env;
const folder = scratchDirectory("activated");
const services = join(folder, "services");
mkdirSync(services);
chmodSync(folder, 0o755);
chownSync(services, USER, USER);
const log = join(folder, "log");
writeFileSync(log, "");
writeFileSync(join(folder, "logger"), `#!/bin/sh\nexec cat >> ${log}\n`, { mode: 0o755 });
let asked = false;
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  process.on(signal, () => {
    asked = true;
  });
}
/** Passes on what the keeper has said since. */
let passed = 0;
function pass(): void {
  const said = readFileSync(log, "utf8");
  process.stderr.write(said.slice(passed));
  passed = said.length;
}

const activation = await Activation.listen(services, "bulkhead", [process.execPath, serverProgram()], asUser(USER));
try {
  const helper = join(dirname(COMMAND), "mount.bulkhead.js");
  const { status, stderr } = spawnSync(process.execPath, [helper, image, mountPoint, ...options], {
    env: { ...process.env, BULKHEAD_SOCKET_DIRECTORY: services, PATH: `${folder}:${PATH}` },
    encoding: "utf8",
  });
  process.stderr.write(stderr);
  process.exitCode = status ?? 1;
  while (status === 0 && findMount(mountPoint) !== undefined) {
    if (asked) unmount(mountPoint);
    await sleep(20);
    pass();
  }
} finally {
  // The listener takes its servers along: they have the image until they have written everything.
  spawnSync("flock", ["--timeout", "60", image, "true"]);
  await activation.stop();
  pass();
  // Lines come with their priorities.
  process.stderr.write(activation.said.replace(/^(?!<\d>).*\n?/gm, "").replace(/^<\d>/gm, ""));
  removeScratch(folder);
}
