/**
 * Two fuzzers of the helper's end. Oracle: the grammar, written down here once more as plain sets; the kernel's mount table,
 * /proc/self/fd, and the process's memory.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { LinuxError } from "@bulkhead/linux";
import {
  type FileOpening,
  type HelperActions,
  type HelperPolicy,
  HelperSession,
  type MountRequest,
  packets,
} from "../../src/index.js";
import { openDescriptors } from "../peer.js";
import { text } from "../wire.js";
import { drop, HelperBench, LAST } from "./bench.js";
import { Dice, HostileServer } from "./hostile.js";

const OPEN_BITS = 0o0 | 0o1 | 0o2 | 0o200 | 0o4000 | 0o10000 | 0o40000 | 0o100000 | 0o2000000 | 0o4010000;
const MS_BITS = 1 | 2 | 4 | 8 | 16 | 128 | 256 | 1024 | 2048 | (1 << 21) | (1 << 24) | (1 << 25);
const KEYS = new Set(
  "allow_other default_permissions max_read blksize context fscontext defcontext rootcontext".split(" "),
);
const LARGEST_ANSWER = 65_536 + 8;

/** Actions that fail now and then, and hold every call to the grammar. */
class Judge implements HelperActions {
  readonly #policy: HelperPolicy;
  readonly #dice: Dice;
  pinned = false;
  attempts = 0;
  iomap = 0;
  readonly kept = new Set<number>();

  constructor(policy: HelperPolicy, dice: Dice) {
    this.#policy = policy;
    this.#dice = dice;
  }

  openFile(path: Uint8Array, { flags, tryLoop, blockDevice, blockSize }: FileOpening): number {
    assert.equal(Buffer.from(path).toString(), "/i", "opened what the caller did not name");
    assert.equal(flags & ~OPEN_BITS, 0, `opened with ${flags.toString(8)}`);
    assert.notEqual(flags & 3, 3);
    assert.ok(!tryLoop || this.#policy.extensions);
    assert.ok(blockSize === 0 || blockDevice);
    assert.equal(this.attempts, 0, "opened after the mount");
    this.#maybeFail();
    return 1000;
  }
  enableIomap(): void {
    assert.ok(this.#policy.extensions && this.attempts === 0);
    this.#maybeFail();
    assert.equal(++this.iomap, 1, "iomap twice");
  }
  keeperFile(what: number): number {
    assert.ok(this.#policy.keeper && this.attempts === 0);
    assert.ok(what === 1 || what === 2, `handed over ${what}`);
    this.#maybeFail();
    assert.ok(!this.kept.has(what), "handed over twice");
    this.kept.add(what);
    return 1000;
  }
  pinMountPoint(path: Uint8Array, expected: number): void {
    assert.equal(Buffer.from(path).toString(), "/m");
    assert.ok([0, 0x4000, 0x8000].includes(expected));
    this.#maybeFail();
    assert.equal(this.pinned, false, "two mount points");
    this.pinned = true;
  }
  checkMount(): void {
    this.#maybeFail();
  }
  mount({ source, options, msFlags, fuseblk }: MountRequest): void {
    const { root, allowOther, suid, restrictions, extensions } = this.#policy;
    assert.equal(++this.attempts, 1, "mounted twice");
    assert.ok(this.pinned);
    assert.equal(msFlags & ~MS_BITS, 0, `mounted with 0x${msFlags.toString(16)}`);
    const forced = (root && suid ? 4 : 6) | restrictions;
    assert.equal(msFlags & forced, forced);
    if (extensions) assert.equal(Buffer.from(source).toString(), "/i", "shows another source");
    assert.ok(source.length > 0 && !source.includes(0));
    if (fuseblk) assert.ok(root && Buffer.from(source).toString() === "/i", "mounted another device");
    for (const [key, value] of options) {
      assert.ok(KEYS.has(key), key);
      assert.ok(key !== "allow_other" || allowOther);
      assert.ok(key !== "blksize" || fuseblk);
      assert.ok(value === undefined || !/["\\]/.test(value));
    }
    this.#maybeFail();
  }
  recordOptions(options: readonly string[]): void {
    assert.equal(this.attempts, 1);
    for (const option of options) assert.match(option, /^x-[\w.-]+(=[^"\\]*)?$/);
  }
  #maybeFail(): void {
    if (this.#dice.below(6) === 0) throw new LinuxError("open", 1 + this.#dice.below(133));
  }
}

/** How far hostile servers got. */
export interface Reached {
  packets: number;
  sessions: number;
  opened: number;
  mounted: number;
}

/** Throws `count` packets at sessions; each ends by the server's will, or by ours. */
export function fuzzSession(seed: number, count: number): Reached {
  // Refusals are errors here, and nobody looks where they come from.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return throwPackets(seed, count);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function throwPackets(seed: number, count: number): Reached {
  const dice = new Dice(seed);
  const server = new HostileServer(dice, { file: "/i", mountPoint: "/m" });
  const reached: Reached = { packets: 0, sessions: 0, opened: 0, mounted: 0 };
  const heap = () => process.memoryUsage().rss;
  let start = 0;
  while (reached.packets < count) {
    // Once everything is compiled, memory does not grow with packets.
    if (start === 0 && reached.packets > Math.min(count / 4, 100_000)) start = heap();
    const policy: HelperPolicy = {
      root: dice.below(2) === 0,
      allowOther: dice.below(2) === 0,
      mountPoint: text("/m"),
      files: [text("/i")],
      suid: dice.below(2) === 0,
      dev: false,
      restrictions: dice.below(2) === 0 ? 0 : 9,
      words: [],
      extensions: dice.below(2) === 0,
      keeper: dice.below(2) === 0,
    };
    const session = new HelperSession(policy, new Judge(policy, dice));
    reached.sessions++;
    for (let left = 1 + dice.below(200); left > 0 && reached.packets < count; left--) {
      reached.packets++;
      const packet = server.next();
      const outcome = session.handle(packet);
      if (outcome.packet !== undefined) assert.ok(outcome.packet.length <= LARGEST_ANSWER);
      if (outcome.kind === "end") {
        assert.ok(outcome.exitCode >= 0 && outcome.exitCode <= 255);
        break;
      }
      const answer = new DataView(outcome.packet.buffer);
      const isFile = answer.getUint32(0) === packets.FILE.magic;
      assert.ok(isFile || (answer.getUint32(0) === packets.REPLY.magic && outcome.packet.length === 8));
      assert.ok(answer.getUint32(4) <= 4095);
      assert.equal(outcome.fd !== undefined, isFile && answer.getUint32(4) === 0);
      if (outcome.fd !== undefined) reached.opened++;
    }
    if (session.mounted) reached.mounted++;
  }
  assert.ok(heap() - start < 100 * 2 ** 20, `memory grew by ${heap() - start} bytes`);
  return reached;
}

/**
 * Has whole helpers, with root's rights and on this system, talk to hostile servers that also send descriptors, until `milliseconds`
 * are over. No mount, no loop device and no descriptor may be left.
 */
export async function fuzzHelper(seed: number, milliseconds: number): Promise<Reached> {
  const dice = new Dice(seed);
  const bench = new HelperBench();
  const server = new HostileServer(dice, { file: bench.image, mountPoint: bench.mountPoint });
  const reached: Reached = { packets: 0, sessions: 0, opened: 0, mounted: 0 };
  // A type that no other test mounts: those run at the same time, and see the same mounts.
  const type = `fuse.fuzz${process.pid}`;
  const ours = (line: string) => line.includes(bench.folder) || line.includes(` ${type} `);
  const mounts = () => readFileSync("/proc/self/mountinfo", "latin1").split("\n").filter(ours);
  let descriptors = 0;
  const until = performance.now() + milliseconds;
  try {
    while (performance.now() < until) {
      const peer = bench.newPeer();
      // From the second on: the first opens what the runtime keeps.
      if (reached.sessions === 1) descriptors = openDescriptors();
      peer.say(LAST);
      let large = 0;
      for (let left = dice.below(60); left > 0; left--) {
        const packet = server.next();
        // All has to wait in the socket's buffer at once.
        if (packet.length > 1000 && large++ > 0) continue;
        // Goodbyes are the other fuzzer's: after one with 0, a helper waits for the mount to answer.
        if (packet.length >= 4 && new DataView(packet.buffer, packet.byteOffset).getUint32(0) === packets.GOODBYE.magic)
          continue;
        peer.give(packet, dice.below(4) > 0 ? [] : Array.from({ length: dice.below(8) }, () => dice.below(3)));
        reached.packets++;
      }
      const caller = dice.below(3) > 0 ? {} : { caller: { uid: 4711, gid: 4711, groups: [] } };
      const timeouts = { command: 0, hello: 1000 };
      const command = [bench.image, bench.mountPoint, "-t", type];
      const result = await bench.run({ arguments: command, extensions: dice.below(2) === 0, timeouts, ...caller });
      const { exitCode, mounted, answers, held } = result;
      assert.deepEqual(
        { exitCode, mounted, answers, held },
        { exitCode: 1, mounted: undefined, answers: false, held: undefined },
      );
      assert.equal(bench.mounted, undefined);
      reached.sessions++;
      if (bench.log.some((line) => line.includes("taken back"))) reached.mounted++;
      bench.log.length = 0;
      const heard = drop(peer.hear());
      reached.opened += heard.slice(3).filter((packet) => packet.descriptors.length > 0).length;
    }
    bench.newPeer();
    assert.equal(openDescriptors(), descriptors, "descriptors left open");
    assert.deepEqual(mounts(), [], "mounts left");
    return reached;
  } finally {
    bench.clear();
  }
}
