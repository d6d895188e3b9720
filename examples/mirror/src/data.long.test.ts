/** Many seeds of what `data.test.ts` does with two. Oracle: a plain file on the same file system. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { exercise } from "./exercise.js";
import { cannotMount, Mirrored } from "./mirrored.js";

const { SEED: seedText } = process.env;
const SEED = Number(seedText ?? Math.floor(Math.random() * 2 ** 31));
const SEEDS = 8;
const OPERATIONS = 2500;
const plain = mkdtempSync(join(tmpdir(), "mirror-plain-"));
after(() => rmSync(plain, { recursive: true }));

for (const [name, options] of [
  ["passed through", []],
  ["through requests", ["--no-passthrough"]],
] as const) {
  test(`${SEEDS} files, ${name}: the bytes of plain ones (seed ${SEED})`, { skip: cannotMount() }, async () => {
    const mirror = await Mirrored.start(options);
    try {
      for (let i = 0; i < SEEDS; i++) exercise(mirror.path("subject"), join(plain, "oracle"), SEED + 2 * i, OPERATIONS);
    } finally {
      await mirror.remove();
    }
  });
}
