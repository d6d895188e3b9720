/** What e2fsprogs say of an image in memory. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Fails unless e2fsck finds nothing to mend. */
export function assertClean(image: Uint8Array): void {
  const { status, output } = ask(image, "e2fsck", "-fn");
  assert.equal(status, 0, output);
}

/** The label that dumpe2fs shows. */
export function labelOf(image: Uint8Array): string | undefined {
  return /^Filesystem volume name: +(.*)$/m.exec(ask(image, "dumpe2fs", "-h").output)?.[1];
}

function ask(
  image: Uint8Array,
  tool: string,
  option: string,
): { readonly status: number | null; readonly output: string } {
  const path = join(fs.mkdtempSync(join(tmpdir(), "bulkhead-fsck-")), "image");
  try {
    fs.writeFileSync(path, image);
    const { PATH = "" } = process.env;
    const env = { ...process.env, PATH: `${PATH}:/usr/sbin:/sbin`, LC_ALL: "C" };
    const { status, stdout, stderr } = spawnSync(tool, [option, path], { env, encoding: "utf8", timeout: 30_000 });
    return { status, output: stdout + stderr };
  } finally {
    fs.rmSync(join(path, ".."), { recursive: true });
  }
}
