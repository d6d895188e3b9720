/** A user mounts, with nothing of root's but fusermount3. To be run as root in a mount namespace of its own. */
import assert from "node:assert/strict";
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findMount } from "@bulkhead/fuse";
import { userNamespacesAllowed } from "@bulkhead/service";
import { ask } from "../mount/served-mount.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { Activation, asUser, HELPER, SERVER } from "./activation.js";

/** nobody: fusermount3 wants a user with a name. */
const USER = 65534;
const folder = scratchDirectory("user");
// Here everybody may open the FUSE device, as on machines with users.
run("mknod", ["-m", "666", join(folder, "fuse"), "c", "10", "229"]);
run("mount", ["--bind", join(folder, "fuse"), "/dev/fuse"]);
const services = join(folder, "services");
const mountPoint = join(folder, "mount");
const image = join(folder, "image");
for (const directory of [services, mountPoint]) mkdirSync(directory);
writeFileSync(image, "source");
for (const path of [folder, services, mountPoint, image]) chownSync(path, USER, USER);

const activation = await Activation.start(services, "hello", ["hello", "Hello, user!"], asUser(USER));
try {
  const mount = (options: string, launch?: readonly string[]) => {
    const argument = JSON.stringify({
      arguments: [image, mountPoint, "-t", "hello", ...(options === "" ? [] : ["-o", options])],
      socketDirectory: services,
      launch,
    });
    const [command = "", ...args] = [...asUser(USER), process.execPath, HELPER, argument];
    return ask(command, args);
  };
  const refused = mount("allow_other");
  assert.equal(refused.code, 1, refused.stderr);
  assert.equal(findMount(mountPoint), undefined);

  const lookAndLeave = (greeting: string) => {
    const mounted = findMount(mountPoint);
    assert.deepEqual([mounted?.type, mounted?.source], ["fuse.hello", image]);
    const [command = "", ...args] = [...asUser(USER), "cat", join(mountPoint, "hello")];
    assert.equal(ask(command, args).stdout, `${greeting}\n`);
    assert.equal(ask("cat", [join(mountPoint, "hello")]).code, 1, "root is another user");
    const [fusermount = "", ...unmountArgs] = [...asUser(USER), "fusermount3", "-u", mountPoint];
    assert.equal(ask(fusermount, unmountArgs).code, 0);
  };
  const { code, stderr } = mount("");
  assert.equal(code, 0, `${stderr}; ${activation.said}`);
  lookAndLeave("Hello, user!");
  await activation.hear(/unmounted/);

  if (userNamespacesAllowed()) {
    const launched = mount("", [process.execPath, SERVER, "hello", "Launched by a user"]);
    assert.equal(launched.code, 0, launched.stderr);
    lookAndLeave("Launched by a user");
  }
} finally {
  ask("umount", ["-l", mountPoint]);
  await activation.stop();
  run("umount", ["-l", "/dev/fuse"]);
  removeScratch(folder);
}
