/**
 * The suite in a process of its own, so that a mount that hangs can be given up on:
 *   node posix/main.js kernel IMAGE SMALL-IMAGE JOURNAL           the kernel's ext4, on loop devices
 *   node posix/main.js bulkhead IMAGE SMALL-IMAGE JOURNAL         our own mounts
 *   node posix/main.js bridged IMAGE SMALL-IMAGE JOURNAL          the host without a mount, see bridge/
 *   node posix/main.js here DIRECTORY IMAGE JOURNAL [WORD …]      what is mounted at a directory, made from that image
 */
import { chmodSync, readFileSync } from "node:fs";
import { bridgeMounter } from "../model/mounters.js";
import { withLoopMountAsync } from "../system/loop.js";
import { scratchDirectory } from "../system/scratch.js";
import { withServedMount } from "../walk/served.js";
import { type Case, type Place, titleOf } from "./case.js";
import { CASES } from "./cases/index.js";
import { type Asked, exclusionsOf } from "./exclusions.js";
import { type Facts, imageFacts } from "./facts.js";
import { stillLife } from "./prepare.js";
import { type Outcome, runCases } from "./run.js";

type Mounting = (image: string, options: string[], work: (mountPoint: string) => Promise<void>) => Promise<void>;

const MOUNTINGS: Readonly<Record<string, Mounting>> = {
  kernel: (image, options, work) => withLoopMountAsync(image, { options }, work),
  bulkhead: (image, options, work) =>
    withServedMount(image, { options: ["allow_other", "suid", "dev", ...options] }, work),
  bridged: async (image, options, work) => {
    const mounter = bridgeMounter(image, ["allow_other", "suid", "dev", ...options]);
    try {
      await work(await mounter.mount());
    } finally {
      await mounter.unmount();
    }
  },
};

async function everywhere(kind: string, image: string, smallImage: string, journal: string): Promise<void> {
  const mounting = MOUNTINGS[kind];
  if (mounting === undefined) throw new Error(`posix: kernel, bulkhead or here, not ${kind}`);
  const exclusions = exclusionsOf(kind as Asked);
  const asked = CASES.filter((one) => !(titleOf(one) in exclusions));
  const elsewhere = openDirectory();
  const facts = imageFacts(image, true);
  const run = (place: Place, on: Facts, mountPoint: string, base: string, readOnly = false): Promise<void> => {
    const cases = asked.filter((one) => one.place === place);
    return runCases(cases, { mountPoint, facts: on, elsewhere, base, readOnly }, journal);
  };
  const quota = facts.features.includes("quota") ? ["usrquota", "grpquota"] : [];
  await mounting(image, ["rw", ...quota], (at) => run("main", facts, at, at));
  await mounting(smallImage, ["rw"], (at) => run("full", imageFacts(smallImage, false), at, at));
  await mounting(image, ["ro"], (at) => run("read-only", facts, at, stillLife(at), true));
}

/** A directory that anyone may write to. */
function openDirectory(): string {
  const directory = scratchDirectory("elsewhere");
  chmodSync(directory, 0o777);
  return directory;
}

async function here(mountPoint: string, image: string, journal: string, words: readonly string[]): Promise<void> {
  const wanted = (one: Case): boolean => one.place === "main" && words.every((word) => titleOf(one).includes(word));
  const facts = imageFacts(image, true);
  const ground = { mountPoint, facts, elsewhere: openDirectory(), base: mountPoint };
  await runCases(CASES.filter(wanted), ground, journal);
  for (const line of readFileSync(journal, "utf8").trim().split("\n")) {
    const { group, name, milliseconds, failure } = JSON.parse(line) as Outcome;
    if (group !== undefined)
      console.log(`${failure === undefined ? "ok" : "FAILED"} ${group}: ${name} ${milliseconds}`);
    if (failure !== undefined) console.log(failure);
  }
}

const [kind = "", first = "", second = "", journal = "", ...words] = process.argv.slice(2);
if (kind === "here") await here(first, second, journal, words);
else await everywhere(kind, first, second, journal);
