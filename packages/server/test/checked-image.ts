/** e2fsck's word on an image in memory. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Fails unless e2fsck finds nothing to mend. */
export function assertClean(image: Uint8Array): void {
  const path = join(fs.mkdtempSync(join(tmpdir(), "bulkhead-fsck-")), "image");
  try {
    fs.writeFileSync(path, image);
    const { PATH = "" } = process.env;
    const env = { ...process.env, PATH: `${PATH}:/usr/sbin:/sbin`, LC_ALL: "C" };
    const { status, stdout, stderr } = spawnSync("e2fsck", ["-fn", path], { env, encoding: "utf8", timeout: 30_000 });
    assert.equal(status, 0, stdout + stderr);
  } finally {
    fs.rmSync(join(path, ".."), { recursive: true });
  }
}
