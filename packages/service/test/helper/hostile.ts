/** A hostile server's packets, by a seed. */
import { randomInt } from "node:crypto";
import { encode, packets } from "../../src/index.js";
import { text } from "../wire.js";

/** Repeatable random numbers (mulberry32). */
export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** An integer from 0 to `limit` − 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }
  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}

/** The seed of BULKHEAD_SEED, or a new one. */
export function seed(): number {
  const { BULKHEAD_SEED } = process.env;
  return BULKHEAD_SEED === undefined ? randomInt(2 ** 32) : Number(BULKHEAD_SEED);
}

export interface Targets {
  readonly file: string;
  readonly mountPoint: string;
}

const OPEN_FLAGS = [0, 1, 2, 3, 0o202, 0o4202, 0o102, 0o1002, 0o20200002, 0o10000000, 0o2000000, 0o40000, 0xffff_ffff];
const MS_FLAGS = [
  0,
  1,
  6,
  7,
  32,
  4096,
  8192,
  16384,
  1024,
  1 << 17,
  1 << 21,
  1 << 24,
  1 << 25,
  0xffff_ffff,
  0xc0ed_0000,
];
const OPTIONS = [
  ...["allow_other", "allow_root", "default_permissions", "max_read=4096", "blksize=512", "fd=0", "rootmode=40000"],
  ...[
    "user_id=0",
    "group_id=0",
    "subtype=y",
    "source=/etc",
    "ro",
    "suid",
    'context="a,fd=1"',
    "context=a\\,fd=1",
    "",
    "x",
  ],
];
const TABLE_OPTIONS = ["x-a", "x-a=b", "user=root", "-n", "rw", "bind", "x-a=\\", "remount"];
const PATHS = [
  "/etc/shadow",
  "/dev/mem",
  "/proc/self/mem",
  "/dev/loop-control",
  "..",
  ".",
  "/",
  "?",
  "argv",
  "fusedev",
];

/** Packets that are mostly well-formed, mostly in an order that gets far, and then spoiled in one way or another. */
export class HostileServer {
  readonly #dice: Dice;
  readonly #targets: Targets;

  constructor(dice: Dice, targets: Targets) {
    this.#dice = dice;
    this.#targets = targets;
  }

  next(): Uint8Array {
    const dice = this.#dice;
    const packet = this.#wellFormed();
    switch (dice.below(12)) {
      case 0: {
        const noise = this.#noise(4 + dice.below(64));
        // What is unknown ends a session: to get far, it has to be rare.
        if (dice.below(16) > 0) noise.set(packet.subarray(0, 4));
        return noise;
      }
      case 1:
        return packet.subarray(0, dice.below(16) > 0 ? 4 + dice.below(packet.length - 3) : dice.below(4));
      case 2: {
        const longer = new Uint8Array(packet.length + 1 + dice.below(40));
        longer.set(packet);
        return longer;
      }
      case 3:
      case 4: {
        const spoiled = packet.slice();
        if (dice.below(16) === 0) spoiled[dice.below(4)] = dice.below(256);
        for (let i = 0; i <= dice.below(3); i++) spoiled[4 + dice.below(spoiled.length - 4)] = dice.below(256);
        return spoiled;
      }
      case 5: {
        // Large ones are dear, and the rarer for it.
        if (dice.below(16) > 0) return packet;
        const large = new Uint8Array(dice.pick([65_535, 65_536])).fill(65);
        large.set(packet);
        large[large.length - 1] = 0;
        return large;
      }
      default:
        return packet;
    }
  }

  #noise(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#dice.below(256));
  }

  #wellFormed(): Uint8Array {
    const dice = this.#dice;
    const { file, mountPoint } = this.#targets;
    const word = () => dice.below(2) * dice.below(2 ** 32 - 1);
    switch (dice.below(20)) {
      case 0:
      case 1:
      case 2: {
        const path = text(dice.below(4) > 0 ? file : dice.pick([...PATHS, mountPoint]));
        const row = dice.pick([packets.OPEN, packets.OPEN_BLOCK_DEVICE]);
        const openFlags = dice.below(8) > 0 ? dice.pick(OPEN_FLAGS) : word();
        const requestFlags = dice.pick([0, 0, 1, 2, 3, 4, word()]);
        return encode(
          row,
          { openFlags, createMode: word(), requestFlags, blockSize: dice.pick([0, 0, 512, word()]) },
          path,
        );
      }
      case 3:
      case 4:
        return encode(packets.FSOPEN, { flags: dice.pick([0, 0, 0, 1, 2, word()]) });
      case 5:
      case 6:
      case 7:
        return encode(packets.SOURCE, {}, text(dice.pick(["source", file, "/etc", mountPoint])));
      case 8:
      case 9:
      case 10: {
        const path = dice.below(4) > 0 ? mountPoint : dice.pick([...PATHS, file]);
        return encode(packets.MOUNT_POINT, { expectedFormat: dice.pick([0, 0x4000, 0x8000, 1]) }, text(path));
      }
      case 11:
      case 12:
      case 13: {
        const list = Array.from({ length: 1 + dice.below(3) }, () => dice.pick(OPTIONS)).join(",");
        return encode(packets.OPTIONS, {}, text(list === "" ? "," : list));
      }
      case 14:
        return encode(packets.TABLE_OPTIONS, {}, text(dice.pick(TABLE_OPTIONS)));
      case 15:
      case 16:
        return encode(packets.MOUNT, { msFlags: dice.below(8) > 0 ? dice.pick(MS_FLAGS) : word() });
      case 17:
        if (dice.below(4) > 0) return encode(packets.FSOPEN, { flags: 0 });
        if (dice.below(2) === 0) return encode(packets.KEEP, { what: dice.pick([1, 1, 2, 2, 0, 3, word()]) });
        return encode(packets.IOMAP, { mode: dice.pick([0x503f, 0x5021, dice.below(65_536)]) });
      case 18:
        if (dice.below(12) > 0) return encode(packets.OPTIONS, {}, text("max_read=4096"));
        return encode(packets.GOODBYE, { exitCode: dice.pick([0, 1, 2, 7, 256, word()]) });
      default: {
        if (dice.below(8) > 0) return encode(packets.MOUNT, { msFlags: dice.pick([0, 6, 7]) });
        const row = dice.pick([packets.REPLY, packets.HELLO_REPLY]);
        return row === packets.REPLY
          ? encode(packets.REPLY, { error: word() })
          : encode(packets.HELLO_REPLY, { version: 1 });
      }
    }
  }
}
