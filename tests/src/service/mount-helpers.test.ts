/** mount(8) and fstab, see mount-helpers.ts. Oracles: util-linux's mount, the kernel's mount table, e2fsck. */
import { test } from "node:test";
import { withoutFuse, withoutTools } from "../facilities.js";
import { runApart } from "../system/apart.js";

const skip =
  (process.getuid?.() === 0 ? false : "mounting takes root") ||
  withoutFuse() ||
  withoutTools("systemd-socket-activate", "mke2fs", "e2fsck", "mount", "findmnt", "flock", "nsenter", "unshare");

test("mount(8) mounts by the service or by a server of its own, as fstab says", { skip }, async () => {
  await runApart(new URL("./mount-helpers.js", import.meta.url).pathname, [], 120_000);
});
