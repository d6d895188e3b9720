/**
 * Plays against the model on a mount whose servers may die: player.js TASK (JSON). Says "played" when it was told to stop and everything
 * is as the model says, waits for a line while somebody mounts anew, and says "compared" when it still is.
 */
import { existsSync, readSync } from "node:fs";
import { generate } from "../model/generate.js";
import { Model } from "../model/model.js";
import { Player } from "../model/play.js";
import { SystemSubject } from "../model/system-subject.js";
import { findModelVariant, keptTime } from "../model/variants.js";
import type { Task } from "./mortal-images.js";

/** Operations between two looks whether it is to end. */
const ROUND = 50;

const { mountPoint, variant: name, seed, stop } = JSON.parse(process.argv[2] ?? "") as Task;
const variant = findModelVariant(name);
process.umask(0);
const mounted = { mount: async () => mountPoint, unmount: async () => {} };
const subject = await SystemSubject.start(mounted, {
  vagueHoles: true,
  shiftsRanges: false,
  refusesForGood: true,
  keptTime: (time) => keptTime(variant, time),
});
const player = new Player(new Model(variant.caseless), variant);
for (let round = 0; !existsSync(stop); round++) player.play(subject, generate(seed + round, ROUND));
player.check(subject);
for (const slot of player.model.handles.keys()) player.model.close(slot);
await subject.end();
process.stdout.write("played\n");
readSync(0, Buffer.alloc(1));
player.check(subject);
process.stdout.write("compared\n");
