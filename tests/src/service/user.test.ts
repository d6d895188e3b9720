/** A user's mounts, see user-mount.ts. Oracles: fusermount3 and the kernel's mount table. */
import { test } from "node:test";
import { withoutFuse, withoutTools } from "../facilities.js";
import { runApart } from "../system/apart.js";

const skip =
  (process.getuid?.() === 0 ? false : "becoming another user takes root") ||
  withoutFuse() ||
  withoutTools("systemd-socket-activate", "setpriv", "unshare", "mknod", "fusermount3");

test("a user mounts through fusermount3, from a service and from a server of their own", { skip }, async () => {
  await runApart(new URL("./user-mount.js", import.meta.url).pathname, [], 60_000);
});
