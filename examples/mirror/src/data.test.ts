/** File data through the mirror. Oracles: a plain file on the same file system, the source itself, fio --verify. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { exercise } from "./exercise.js";
import { cannotMount, Mirrored } from "./mirrored.js";

const { SEED: seedText } = process.env;
const SEED = Number(seedText ?? Math.floor(Math.random() * 2 ** 31));
const OPERATIONS = 500;
const skip = cannotMount();
const hasFio = spawnSync("fio", ["--version"]).status === 0;

const plain = mkdtempSync(join(tmpdir(), "mirror-plain-"));
after(() => rmSync(plain, { recursive: true }));

for (const [name, options] of [
  ["passed through", []],
  ["through requests", ["--no-passthrough"]],
] as const) {
  describe(`data ${name}`, { skip, timeout: 180_000 }, () => {
    test(`random buffered, mapped, direct and appending access gives the bytes of a plain file (seed ${SEED})`, async () => {
      const mirror = await Mirrored.start(options);
      try {
        for (const seed of [1, SEED]) {
          exercise(mirror.path("subject"), join(plain, "oracle"), seed, OPERATIONS);
          assert.ok(readFileSync(mirror.below("subject")).equals(readFileSync(join(plain, "oracle"))));
        }
        assert.equal(mirror.output.trim().split("\n").length, 1, mirror.output);
      } finally {
        await mirror.remove();
      }
    });

    test("fio writes and verifies, four jobs, mixed", { skip: hasFio ? false : "fio is not installed" }, async () => {
      const mirror = await Mirrored.start(options);
      try {
        for (const direct of ["0", "1"]) {
          const fio = spawnSync(
            "fio",
            [
              "--name=verify",
              `--directory=${mirror.mountpoint}`,
              "--size=8M",
              "--rw=randrw",
              "--bsrange=4k-64k",
            ].concat(
              ["--numjobs=2", "--ioengine=psync", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--fsync=64"],
              ["--minimal", `--direct=${direct}`, "--blockalign=4k"],
            ),
            { encoding: "utf8", timeout: 90_000, cwd: plain },
          );
          assert.equal(fio.status, 0, fio.stderr || fio.stdout);
        }
      } finally {
        await mirror.remove();
      }
    });
  });
}
