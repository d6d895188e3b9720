/**
 * Oracle: e2fsck -fn. A peer asks and tells whatever it likes: of files that are not there, ranges that cannot be, ends of writes
 * that never were. It may damage its own files' contents; the server answers an errno, and what it keeps stays whole.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withoutTools } from "../facilities.js";
import { Random } from "../images/random.js";
import { makeImage, type Variant, variants, withCleanImage } from "./images.js";
import { ROOT, Wire } from "./wire.js";

const { SEED } = process.env;
const seed = SEED === undefined ? Date.now() % 1_000_000 : Number(SEED);
const FILE = 0o100644;
const ENOSYS = -38;
const FS_IOC_SETFLAGS = 0x4008_6602;
const APPEND = 0x20;
const IMMUTABLE = 0x10;
const EXTENTS = 0x8_0000;
const JOURNAL_DATA = 0x4000;

/** Numbers that break things. */
const EDGES = [
  0,
  1,
  511,
  1023,
  1024,
  4095,
  4096,
  49_152,
  65_536,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 44 - 1,
  2 ** 44,
  2 ** 53 - 1,
];
const BITS = [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x4000_0000, 0x8000_0000, 0x1000];

/** Names come, go and change while nobody has said that what they led to is not in use. */
function rename(wire: Wire, nodeid: number, random: Random): void {
  const name = () => Buffer.from("abcdgh"[random.below(6)]!);
  switch (random.below(4)) {
    case 0:
      wire.ask("UNLINK", ROOT, { names: [name()] });
      break;
    case 1:
      wire.ask("MKNOD", ROOT, { request: { mode: FILE }, names: [name()] });
      break;
    case 2:
      wire.ask("LINK", ROOT, { request: { oldnodeid: nodeid }, names: [name()] });
      break;
    default:
      wire.ask("RENAME2", ROOT, { request: { newdir: ROOT, flags: random.below(4) }, names: [name(), name()] });
  }
}

function harassAttributes(wire: Wire, nodeid: number, random: Random): void {
  const names: [Buffer] = [Buffer.from(`user.${random.below(4)}`)];
  const what = random.below(4);
  if (what === 0) {
    wire.ask("REMOVEXATTR", nodeid, { names });
  } else if (what === 1) {
    const flags = [0, JOURNAL_DATA, APPEND, IMMUTABLE][random.below(4)]!;
    const data = new Uint8Array(Uint32Array.of(flags | EXTENTS).buffer);
    wire.ask("IOCTL", nodeid, { request: { cmd: FS_IOC_SETFLAGS, in_size: data.length }, data });
  } else {
    const data = new Uint8Array(random.below(3000)).fill(7);
    wire.ask("SETXATTR", nodeid, { request: { size: data.length }, names, data });
  }
}

function harass(variant: Variant, requests: number): void {
  const random = new Random(seed);
  const wire = new Wire(makeImage(variant), { blockSize: variant.blockSize, cacheMappings: random.below(2) === 0 });
  wire.onNotify = (code) => (random.below(4) === 0 ? -22 : code === 99 ? -19 : 0);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const number = () => (random.below(3) === 0 ? pick(EDGES) : random.below(400_000));
  const flags = () =>
    (pick(BITS) | (random.below(2) === 0 ? pick(BITS) : 0) | (random.below(4) === 0 ? pick(BITS) : 0)) >>> 0;
  const nodes = [0, 1, ROOT, 3, 7, 8, 11, 12, 999, 2 ** 32, 2 ** 53 - 1];
  for (const name of ["a", "b", "c", "d"]) {
    const [entry] = wire.done("MKNOD", ROOT, { request: { mode: FILE }, names: [Buffer.from(name)] }).out;
    nodes.push(entry!.nodeid, entry!.nodeid, entry!.nodeid);
  }
  const [gone] = wire.done("MKNOD", ROOT, { request: { mode: FILE }, names: [Buffer.from("gone")] }).out;
  nodes.push(gone!.nodeid);
  const { nodeid } = gone!;
  wire.done("UNLINK", ROOT, { names: [Buffer.from("gone")] });

  for (let n = 0; n < requests; n++) {
    const node = pick(nodes);
    const attr_ino = random.below(20) === 0 ? number() : node === 1 ? 2 : node;
    const map = {
      offset: number(),
      length: number(),
      addr: number(),
      type: random.below(256),
      flags: flags() & 0xffff,
      dev: 3,
    };
    switch (random.below(14)) {
      case 12:
        rename(wire, pick(nodes), random);
        break;
      case 13:
        if (random.below(2) === 0 && node > ROOT) wire.forget(node);
        else harassAttributes(wire, node, random);
        break;
      case 0:
        wire.ask("IOMAP_END", node, {
          request: { opflags: flags(), attr_ino, pos: number(), count: number(), written: -1, map },
        });
        break;
      case 1:
        wire.ask("SETATTR", node, { request: { valid: 8 | flags(), size: number() } });
        break;
      case 2:
        wire.ask("FALLOCATE", node, {
          request: { offset: number(), length: number() % 5_000_000, mode: flags() & 0x3f },
        });
        break;
      case 3: {
        const data = new Uint8Array(random.below(5000)).fill(n);
        wire.ask("WRITE", node, { request: { offset: number(), size: data.length }, data });
        break;
      }
      case 4:
        wire.ask("READ", node, { request: { offset: number(), size: 5000 } }, 5000);
        break;
      case 5:
        wire.ask(random.below(2) === 0 ? "FREEZE_FS" : "SYNCFS", ROOT, { request: {} });
        break;
      case 6:
      case 7:
      case 8: {
        const error = random.below(8) === 0 ? -random.below(200) : 0;
        const dev = random.below(5);
        wire.ask("IOMAP_IOEND", node, {
          request: { flags: flags() & 0xff, error, attr_ino, pos: number(), written: number(), dev },
        });
        break;
      }
      default:
        // Of most of these, no more than a few megabytes: the device is not to be full all the time.
        wire.ask("IOMAP_BEGIN", node, {
          request: {
            opflags: flags(),
            attr_ino,
            pos: number(),
            count: random.below(5) === 0 ? number() : random.below(300_000),
          },
        });
    }
    if (n === requests >> 1) wire.forget(nodeid);
  }
  assert.equal(wire.ask("IOMAP_END", ROOT, { request: { opflags: 1, attr_ino: ROOT } }).error, ENOSYS);
  assert.deepEqual(
    wire.lines.filter((line) => /TypeError|RangeError|ReferenceError|corrupt/i.test(line)),
    [],
  );
  wire.done("DESTROY", 0, {});
  wire.fs.close();
  withCleanImage(wire.device.platter, () => {});
}

describe(`a peer that says what it likes, seed ${seed}`, { skip: withoutTools("mke2fs", "e2fsck") }, () => {
  for (const variant of variants) {
    it(`gets errnos, and harms nothing but its files: ${variant.name}`, () => harass(variant, 1000));
  }
});
