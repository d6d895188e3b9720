/**
 * The suites with mounts that came about in other ways than the command's own: by a service, by a user without rights, and without
 * containment. Oracles: those of the suites.
 */
import { spawn } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { LET_GO } from "../system/apart.js";
import type { Way } from "./ways.js";

const skip =
  withoutLoopMounts() || withoutFuse() || withoutTools("systemd-socket-activate", "setpriv", "mknod", "fusermount3");

/** Test files, and the part of them that is about our mounts. */
const SUITES: Readonly<Record<string, readonly [file: string, pattern: string]>> = {
  POSIX: ["../posix.test.js", "of our mount"],
  "the model": ["../model/model.test.js", "our mount"],
  "walk equality": ["../walk-equality.test.js", "."],
  "real software": ["../workloads/workloads.test.js", "on served"],
  durability: ["../durability/durability.test.js", "."],
};

for (const way of ["uncontained", "activated", "user"] satisfies Way[]) {
  describe(`${way} mounts`, { skip }, () => {
    for (const [name, [file, pattern]] of Object.entries(SUITES)) {
      test(name, () => runSuite(way, file, pattern));
    }
  });
}

// In a mount namespace where everybody may open the FUSE device, and let others in, as on machines with users.
const APART = `
  dir=$(mktemp -d) && mknod -m 666 "$dir/fuse" c 10 229 && echo user_allow_other > "$dir/fuse.conf" && chmod 755 "$dir" &&
  mount --bind "$dir/fuse" /dev/fuse && mount --bind "$dir/fuse.conf" /etc/fuse.conf && "$@"
  code=$?; umount /dev/fuse /etc/fuse.conf; rm -r "$dir"; exit $code`;

function runSuite(way: Way, file: string, pattern: string): Promise<void> {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const path = fileURLToPath(new URL(file, import.meta.url));
  const run = [process.execPath, "--test", `--test-name-pattern=${pattern}`, path];
  const child = spawn(
    "unshare",
    ["--mount", "--propagation", "private", "sh", "-c", LET_GO, "sh", "-c", APART, "sh", ...run],
    {
      env: { ...environment, BULKHEAD_TEST_WAY: way },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const said: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => said.push(chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const text = Buffer.concat(said).toString("utf8");
      const passed = Number(/^(?:#|ℹ) pass (\d+)$/m.exec(text)?.[1] ?? 0);
      if (code === 0 && passed > 0) resolve();
      else reject(new Error(`${passed} passed\n${text}`));
    });
  });
}
