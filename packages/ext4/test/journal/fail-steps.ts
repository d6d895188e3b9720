/** Each write or flush of a workload fails, or one of so many. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { after, describe, it } from "node:test";
import type { MountOptions } from "../../src/filesystem.js";
import { ImageDirectory, missingTool } from "../images.js";
import { check, play } from "./device-errors.js";
import { randomFrom } from "./power-loss.js";

const skip = missingTool("mke2fs", "e2fsck") ?? false;
const { SEED: seedText } = process.env;
const SEED = Number(seedText ?? 1 + Math.floor(Math.random() * 1e6));
const images = new ImageDirectory();
after(() => images.remove());

const VARIANTS: readonly (readonly [name: string, mke2fs: readonly string[], options: MountOptions])[] = [
  ["with a journal", ["-b", "1024", "-J", "size=1"], {}],
  ["with errors=continue", ["-b", "4096", "-J", "size=4"], { errors: "continue" }],
  ["with data=journal", ["-b", "1024", "-J", "size=1", "-O", "^metadata_csum"], { data: "journal" }],
  ["without a journal", ["-b", "1024", "-O", "^has_journal"], {}],
];

/** @param every one of so many steps fails; 1 for each of them */
export function failSteps(every: number): void {
  describe(`a device that fails a write or a flush (seed ${SEED})`, { skip }, () => {
    for (const [name, mke2fs, options] of VARIANTS) {
      const journalled = !name.startsWith("without");
      for (const background of journalled ? [false, true] : [false]) {
        it(`is noticed, and takes nothing that was synced: ${name}${background ? ", in the background" : ""}`, () => {
          const size = mke2fs[1] === "4096" ? "24M" : "6M";
          const image = new Uint8Array(
            fs.readFileSync(images.make("image", size, ["-t", "ext4", "-N", "64", "-O", "^resize_inode", ...mke2fs])),
          );
          const scratch = images.file("state");
          const random = randomFrom(SEED);
          let tried = 0;
          for (let step = 1 + Math.floor(random() * every); ; step += every) {
            let failed = false;
            for (const lasting of [false, true]) {
              const label = `seed ${SEED}, ${name}, step ${step}${lasting ? " and all after" : ""}`;
              const pace = background ? { background: randomFrom(SEED + step) } : {};
              const outcome = play(image, { options, step, lasting, ...pace });
              failed ||= outcome.failed;
              if (!outcome.failed) continue;
              tried++;
              assert.ok(outcome.errors.length > 0, `${label}: nobody was told`);
              check(outcome, scratch, journalled, label);
            }
            if (!failed) break;
          }
          assert.ok(tried > 2, `${tried} failures`);
        });
      }
    }
  });
}
