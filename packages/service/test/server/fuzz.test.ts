/**
 * Hostile arguments and a hostile helper. Oracle: only a LinuxError may come out, and no descriptor stays. BULKHEAD_SEED repeats a run.
 */
import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { close, LinuxError, memfdCreate, write } from "@bulkhead/linux";
import { decodeArguments, encodeArguments, mountAsService, parseCommand, ServiceConnection } from "../../src/index.js";
import { Dice, seed } from "../helper/hostile.js";
import { openDescriptors, Peer } from "../peer.js";
import { text, unhex } from "../wire.js";

const WORDS = [
  "x",
  "/i",
  "/m",
  "-o",
  "-r",
  "-n",
  "--",
  "-",
  "",
  "ro,suid",
  "fsname=",
  "x-",
  "=",
  'a"b,c',
  "\\",
  "allow_root",
  "toString",
];

/** Bytes with some changed, or cut off. */
function spoil(dice: Dice, bytes: Uint8Array): Uint8Array {
  const spoiled = bytes.slice(0, dice.below(8) === 0 ? dice.below(bytes.length + 1) : bytes.length);
  if (spoiled.length > 0) for (let i = dice.below(4); i > 0; i--) spoiled[dice.below(spoiled.length)] = dice.below(256);
  return spoiled;
}

function argumentsOf(dice: Dice): Uint8Array {
  const list = Array.from({ length: 1 + dice.below(6) }, () => text(dice.pick(WORDS)));
  return spoil(dice, encodeArguments(list, list.length + dice.below(3)));
}

test("no argument file does harm", (t) => {
  const start = seed();
  t.diagnostic(`BULKHEAD_SEED=${start}`);
  const dice = new Dice(start);
  let sorted = 0;
  for (let round = 0; round < 50_000; round++) {
    try {
      const { options, msFlags } = parseCommand(decodeArguments(argumentsOf(dice)));
      assert.ok(Array.isArray(options) && Number.isSafeInteger(msFlags));
      sorted++;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
    }
  }
  assert.ok(sorted > 1000, "the fuzzer gets nowhere");
});

test("no helper does harm", async (t) => {
  const start = seed();
  t.diagnostic(`BULKHEAD_SEED=${start}`);
  const dice = new Dice(start);
  const script = [
    "53414654 0001 0001 00000003",
    "46494c45 00000000 6172677600",
    "46494c45 00000000 6675736564657600",
    "46494c45 00000000 2f6900",
    ...Array(5).fill("5245504c 00000000"),
  ].map(unhex);
  const before = openDescriptors();
  let mounted = 0;
  for (let round = 0; round < 1500; round++) {
    const peer = new Peer();
    const argv = memfdCreate("arguments");
    const bytes = dice.below(3) > 0 ? encodeArguments(["x", "/i", "/m"].map(text)) : argumentsOf(dice);
    if (bytes.length > 0) write(argv, bytes, 0, bytes.length);
    const device = openSync("/dev/null", "r+");
    for (const [index, packet] of script.entries()) {
      const usual = [[], [argv], [device], [argv]][index] ?? [];
      const sent = dice.below(20) === 0 ? spoil(dice, packet) : packet;
      if (sent.length > 0) peer.give(sent, dice.below(20) === 0 ? Array(dice.below(6)).fill(argv) : usual);
    }
    closeSync(device);
    close(argv);
    try {
      const connection = new ServiceConnection(peer.other, { timeout: 0 });
      const { fuse } = await mountAsService(connection, {
        own: [],
        source: { busyTimeout: 0 },
        open({ source }) {
          if (source !== undefined) close(source.fd);
          return { fileSystem: undefined };
        },
      });
      close(fuse);
      mounted++;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
    }
    peer.leave();
  }
  assert.ok(mounted > 10, "the fuzzer gets nowhere");
  assert.equal(openDescriptors(), before, "descriptors left open");
});
