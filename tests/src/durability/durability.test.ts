/**
 * What fsync(2) promises, when the server is killed in the middle of work: our replay, e2fsck's and the kernel's of what is
 * left each have to give it all. Oracles: the notes of what was synced, e2fsck, the kernel's ext4; sqlite and git judge theirs.
 * The kernel's own ext4, shut down without a last commit, has to pass first; and the judge has to find what is taken away.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { withoutFuse, withoutLoopMounts, withoutTools } from "../facilities.js";
import { debugfs } from "../images/build.js";
import { seedOf } from "../model/generate.js";
import { MOUNTED } from "../model/variants.js";
import { run } from "../system/process.js";
import { removeScratch, scratchDirectory } from "../system/scratch.js";
import { copySparse } from "../walk/truth.js";
import { makeWorkloadImage } from "../workloads/trial.js";
import { crash } from "./crash.js";
import { DATABASES, filesFor, IMAGES, mayBeNoisy } from "./images.js";
import { judge } from "./judge.js";
import { lastNotes, type Note } from "./notes.js";
import { standApart } from "./trial.js";

const missing = withoutLoopMounts() || withoutFuse() || withoutTools("sqlite3", "python3", "git");

for (const subject of MOUNTED) {
  describe(`what was synced survives the end of ${subject}`, { skip: missing, concurrency: 2 }, () => {
    const seed = seedOf(process.env);
    for (const image of IMAGES) {
      const recorders = filesFor(subject, image);
      test(`${image.name}: ${recorders.join(", ")} (seed ${seed})`, () =>
        standApart({ ...image, subject, recorders, seed, notes: 200, noise: mayBeNoisy(subject, image) }));
    }
    test(`sqlite (seed ${seed})`, () =>
      standApart({ ...IMAGES[0], subject, recorders: DATABASES, seed, notes: 100, noise: true }));
    test(`git (seed ${seed})`, () =>
      standApart({ ...IMAGES[0], subject, recorders: ["git"], seed, notes: 10, noise: false }));
  });
}

describe("the judge of durability", { skip: missing }, () => {
  test("finds what is taken from a crashed image", async () => {
    const directory = scratchDirectory("judge");
    try {
      const image = join(directory, "image");
      const crashed = `${image}.crashed`;
      const plan = { subject: "kernel", recorders: ["files"], seed: 1, notes: 60, noise: false } as const;
      let notes: readonly Note[] = [];
      const verdict = (mutate: (path: string) => void): string[] => {
        copySparse(crashed, image);
        mutate(image);
        return judge(image, notes, { journal: true });
      };
      let lostJournal = "";
      // Somebody else's sync(2) may have brought home all that the journal had.
      for (let attempt = 0; attempt < 5 && !/^our replay: /m.test(lostJournal); attempt++) {
        rmSync(image, { force: true });
        makeWorkloadImage(image, 64 << 20, IMAGES[0].mke2fs);
        notes = await crash(image, plan);
        assert.deepEqual(judge(crashed, notes, { journal: true }), [], "nothing is wrong with the image itself");
        rmSync(image);
        lostJournal = verdict((path) => debugfs(path, 0, ["feature -needs_recovery"])).join("\n");
      }
      assert.match(lostJournal, /^our replay: .* is missing$/m, "the journal does not count");

      const file = lastNotes(notes).find(
        (note): note is Note & { kind: "file" } => note.kind === "file" && note.size > 9,
      );
      assert.ok(file);
      const lostFile = verdict((path) => {
        run("e2fsck", ["-fy", path], { accept: [1] });
        debugfs(path, 0, [`rm ${file.path}`]);
        run("e2fsck", ["-fy", path], { accept: [0, 1] });
      });
      assertFoundByAll(lostFile, file.path, "is missing");

      const wrongByte = verdict((path) => {
        run("e2fsck", ["-fy", path], { accept: [1] });
        const block = debugfs(path, 0, [`bmap ${file.path} 0`], false)
          .toString("latin1")
          .trim()
          .split("\n")
          .at(-1);
        debugfs(path, 0, [`zap_block -o 5 -l 1 -p 0x${notByte(path, Number(block) * 4096 + 5)} ${block}`]);
      });
      assertFoundByAll(wrongByte, file.path, "has other contents");
    } finally {
      removeScratch(directory);
    }
  });
});

function assertFoundByAll(complaints: readonly string[], path: string, what: string): void {
  for (const who of ["our replay", "e2fsck", "the kernel"]) {
    assert.ok(
      complaints.some((line) => line.startsWith(`${who}: `) && line.includes(path) && line.includes(what)),
      `${who} does not say that ${path} ${what}: ${complaints.join("; ")}`,
    );
  }
}

/** Another byte than the one that is there, in hexadecimal. */
function notByte(path: string, offset: number): string {
  const found = run("dd", [`if=${path}`, "bs=1", "count=1", `skip=${offset}`, "status=none"]).stdout[0]!;
  return (found ^ 0xff).toString(16).padStart(2, "0");
}
