/** Ways to damage an image, one small damage at a time, each undone before the next. */
import {
  type BlockDevice,
  crc32c,
  DeviceError,
  FileSystem,
  GroupDescriptorLayout,
  InodeLayout,
  MemoryDevice,
  SuperblockLayout,
} from "@bulkhead/ext4";
import { change } from "./change.js";
import { fixChecksums } from "./checksums.js";
import { SUPERBLOCK } from "./editor.js";
import { explore } from "./explore.js";

/** What is to be done, as plain data: it goes to a worker. */
export type Plan =
  /** Every `stride`th byte that an exploration reads, or that lies in `ranges` (bytes); from the `first`th on, default 0. */
  | {
      readonly kind: "bytes";
      readonly stride: number;
      readonly first?: number;
      readonly ranges?: readonly (readonly [number, number])[];
    }
  /** Every field of superblock, group descriptor and inodes set to 0, its maximum and random values. For 1 KiB blocks without checksums. */
  | { readonly kind: "fields"; readonly seed: number }
  /** Every byte of the superblock's fields filled with values, its checksum made right. */
  | { readonly kind: "superblock" }
  /** The device ends at every `stride`th block. */
  | { readonly kind: "truncation"; readonly stride: number }
  /** `count` damages of one to three words of metadata: random, extreme, or what another word holds; with and without right checksums. */
  | { readonly kind: "words"; readonly seed: number; readonly count: number }
  /** A device that misbehaves as an engine might: what watches the exploration has to notice. */
  | { readonly kind: "misbehaviour"; readonly how: "hang" | "memory" | "heap" | "exception" };

/** One damage: a device to explore, and what is wrong with it. */
export interface Case {
  readonly what: string;
  readonly device: BlockDevice;
}

const UNIT = 1024;
const SUPERBLOCK_CHECKSUM = 0x3fc;

/** The cases of a plan; each is to be explored before the next is asked for. */
export function* cases(plan: Plan, image: Uint8Array): Generator<Case> {
  switch (plan.kind) {
    case "bytes":
      return yield* damagedBytes(image, plan.stride, plan.first ?? 0, plan.ranges ?? readRanges(image));
    case "fields":
      return yield* damagedFields(image, plan.seed);
    case "superblock":
      return yield* damagedSuperblocks(image);
    case "truncation":
      return yield* truncations(image, plan.stride);
    case "words":
      return yield* damagedWords(image, plan.seed, plan.count);
    case "misbehaviour":
      return yield { what: `misbehaviour: ${plan.how}`, device: new MisbehavingDevice(image, plan.how) };
  }
}

/** Notes which bytes are read. */
class NotingDevice extends MemoryDevice {
  readonly touched = new Set<number>();

  override read(offset: number, target: Uint8Array): void {
    for (let unit = Math.floor(offset / UNIT); unit * UNIT < offset + target.length; unit++) this.touched.add(unit);
    super.read(offset, target);
  }
}

/** Where an exploration of the undamaged image reads metadata. */
function readRanges(image: Uint8Array): [number, number][] {
  const device = new NotingDevice(image, { readOnly: true });
  explore(device, false);
  return [...device.touched].map((unit) => [unit * UNIT, Math.min((unit + 1) * UNIT, image.length)]);
}

function* damagedBytes(
  image: Uint8Array,
  stride: number,
  first: number,
  ranges: readonly (readonly [number, number])[],
): Generator<Case> {
  const bytes = image.slice();
  const device = new MemoryDevice(bytes, { readOnly: true });
  let nth = 0;
  for (const [start, end] of ranges) {
    for (let at = start; at < end; at++) {
      const value = bytes[at]!;
      // Zeroes in long runs are unused space: every eighth byte of those will do.
      if (value === 0 && at % 8 !== 0 && bytes[at - 1] === 0 && bytes[at + 1] === 0) continue;
      if (nth++ % stride !== first) continue;
      bytes[at] = value ^ (at % 2 === 0 ? 0xff : 1 << (at % 8));
      yield { what: `byte ${at} from ${value} to ${bytes[at]}`, device };
      bytes[at] = value;
    }
  }
}

function* damagedFields(image: Uint8Array, seed: number): Generator<Case> {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  const { inodeSize, inodeCount } = FileSystem.mount(new MemoryDevice(image)).geometry;
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  const descriptor = 2 * UNIT;
  const targets: { what: string; base: number; fields: Readonly<Record<string, { offset: number; size: number }>> }[] =
    [
      { what: "superblock", base: SUPERBLOCK, fields: SuperblockLayout.fields },
      { what: "group descriptor", base: descriptor, fields: GroupDescriptorLayout.fields },
    ];
  const table = view.getUint32(descriptor + GroupDescriptorLayout.offset.inodeTableLo, true) * UNIT;
  for (let ino = 1; ino <= inodeCount; ino++) {
    const base = table + (ino - 1) * inodeSize;
    if (view.getUint16(base, true) === 0) continue; // not in use
    targets.push({ what: `inode ${ino}`, base, fields: InodeLayout.fields });
  }
  const bytes = image.slice();
  const device = new MemoryDevice(bytes, { readOnly: true });
  for (const { what, base, fields } of targets) {
    for (const [name, { offset, size }] of Object.entries(fields)) {
      if (base === descriptor && offset >= 32) continue; // without 64bit, descriptors have 32 bytes
      const start = base + offset;
      const saved = bytes.slice(start, start + size);
      for (const fill of [() => 0, () => 0xff, random]) {
        for (let at = start; at < start + size; at++) bytes[at] = fill();
        yield { what: `${what}.${name} = ${bytes.slice(start, start + size)} (seed ${seed})`, device };
        bytes.set(saved, start);
      }
    }
  }
}

/** Bytes that are neither zero nor a letter of the specimens' data. */
function isNoData(byte: number): boolean {
  return byte !== 0 && byte !== 0x61 && byte !== 0x79 && byte !== 0x0a;
}

/** Where reading and changing an undamaged image reads metadata. */
function changedRanges(image: Uint8Array): [number, number][] {
  const device = new NotingDevice(image.slice(), { readOnly: true });
  explore(device, false);
  const onRead = (offset: number, length: number) => {
    for (let unit = Math.floor(offset / UNIT); unit * UNIT < offset + length; unit++) device.touched.add(unit);
  };
  change(device, { errors: "continue", onRead });
  // Nothing that is in a file's data, or in unused space, is a structure.
  const used = [...device.touched].filter(
    (unit) => (unit + 1) * UNIT <= image.length && image.subarray(unit * UNIT, (unit + 1) * UNIT).some(isNoData),
  );
  return used.map((unit) => [unit * UNIT, (unit + 1) * UNIT]);
}

function* damagedWords(image: Uint8Array, seed: number, count: number): Generator<Case> {
  let state = seed >>> 0;
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const ranges = changedRanges(image);
  /** A place in metadata, rather where something is than in unused space. */
  const place = (width: number): number => {
    let at = 0;
    for (let tries = 0; tries < 6; tries++) {
      const [start, end] = ranges[below(ranges.length)]!;
      at = start + below((end - start) / width) * width;
      if (image.subarray(at, at + width).some((byte) => byte !== 0)) break;
    }
    return at;
  };
  for (let nth = 0; nth < count; nth++) {
    const bytes = image.slice();
    const changes: string[] = [];
    for (let words = 1 + below(3); words > 0; words--) {
      const width = [1, 2, 4, 4][below(4)]!;
      const at = place(width);
      const other = place(width);
      const how = below(6);
      for (let n = 0; n < width; n++) {
        if (how === 0) bytes[at + n] = 0;
        else if (how === 1) bytes[at + n] = 0xff;
        else if (how === 2) bytes[at + n] = below(256);
        else if (how === 3) bytes[at + n] = image[other + n]!;
        else if (how === 4) bytes[at + n] = n === 0 ? image[at]! + 1 : image[at + n]!;
        else if (n === 0) bytes[at] = image[at]! ^ (1 << below(8));
      }
      changes.push(`${at}:${[...bytes.subarray(at, at + width)].join(",")}`);
    }
    const right = below(3) !== 0;
    if (right) fixChecksums(bytes);
    const what = `words ${changes.join(" ")}${right ? ", checksums right" : ""} (seed ${seed}, case ${nth})`;
    yield { what, device: new MemoryDevice(bytes, { readOnly: true }) };
  }
}

function fixSuperblock(bytes: Uint8Array): void {
  const sum = crc32c(0xffff_ffff, bytes, SUPERBLOCK, SUPERBLOCK + SUPERBLOCK_CHECKSUM);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(SUPERBLOCK + SUPERBLOCK_CHECKSUM, sum, true);
}

function* damagedSuperblocks(image: Uint8Array): Generator<Case> {
  const bytes = image.slice();
  const device = new MemoryDevice(bytes, { readOnly: true });
  for (const [name, { offset, size }] of Object.entries(SuperblockLayout.fields)) {
    if (name === "checksum") continue;
    const start = SUPERBLOCK + offset;
    const saved = bytes.slice(start, start + size);
    for (const value of [0, 1, 0x7f, 0xff]) {
      bytes.fill(value, start, start + size);
      fixSuperblock(bytes);
      yield { what: `superblock.${name} filled with ${value}`, device };
    }
    bytes.set(saved, start);
  }
}

class MisbehavingDevice extends MemoryDevice {
  readonly #how: string;
  readonly #hoard: unknown[] = [];

  constructor(bytes: Uint8Array, how: string) {
    super(bytes, { readOnly: true });
    this.#how = how;
  }

  override read(): void {
    if (this.#how === "exception") throw new TypeError("as if a rule had not been checked");
    for (;;) {
      if (this.#how === "memory") this.#hoard.push(new Uint8Array(2 ** 20).fill(1));
      if (this.#how === "heap") this.#hoard.push(Array.from({ length: 1000 }, (_, n) => ({ n })));
    }
  }
}

/** A device that says it has its whole size, and has lost its end. */
class ShrunkDevice extends MemoryDevice {
  readonly #end: number;

  constructor(bytes: Uint8Array, end: number) {
    super(bytes, { readOnly: true });
    this.#end = end;
  }

  override read(offset: number, target: Uint8Array): void {
    if (offset + target.length > this.#end) throw new DeviceError("read", offset, target.length, "the end is gone");
    super.read(offset, target);
  }
}

function* truncations(image: Uint8Array, stride: number): Generator<Case> {
  const step = UNIT * stride;
  for (let end = 0; end < image.length; end += step) {
    yield { what: `truncated to ${end} bytes`, device: new MemoryDevice(image.subarray(0, end), { readOnly: true }) };
    yield { what: `unreadable from byte ${end} on`, device: new ShrunkDevice(image, end) };
  }
  // With a block count to match, what is missing is met on the way.
  const bytes = image.slice();
  const view = new DataView(bytes.buffer);
  const blockSize = UNIT << view.getUint32(SUPERBLOCK + SuperblockLayout.offset.logBlockSize, true);
  for (let blocks = 64 * (UNIT / blockSize); blocks * blockSize < image.length; blocks += 7 * stride) {
    view.setUint32(SUPERBLOCK + SuperblockLayout.offset.blocksCountLo, blocks, true);
    fixSuperblock(bytes);
    const device = new MemoryDevice(bytes.subarray(0, blocks * blockSize), { readOnly: true });
    yield { what: `cut to ${blocks} blocks`, device };
  }
}
