/** Operations on what is in files. */
import { type Draw, type Plan, show } from "../action.js";
import { pattern } from "../contents.js";
import type { Node } from "../model.js";
import type { Subject, Target } from "../subject.js";

function modified(draw: Draw, node: Node): void {
  node.mtime = { since: draw.now };
}

/** Makes the model's size the subject's, where a refusal may have left some of what was asked for. */
function followSize(subject: Subject, target: Target, node: Node, most: number): void {
  const { size } = subject.stat(target);
  if (size < node.contents.size || size > most) throw new Error(`a refused call made the size ${size}`);
  node.contents.size = size;
  node.mtime = undefined;
}

const write: Plan = (draw) => {
  const file = draw.file();
  if (file === undefined) return undefined;
  const { node, target, text } = file;
  const append = file.handle?.append === true;
  const length = draw.length(draw.variant.longestWrite);
  const bytes = pattern(draw.below(2 ** 31), length);
  const offset = append ? node.contents.size : draw.offset(node.contents.size);
  return {
    text: `write ${length} bytes at ${append ? "the end" : offset} of ${text}`,
    allocates: true,
    perform: (subject) => subject.write(target, offset, bytes),
    done: (result) => {
      const written = Number(result);
      if (written < length && (draw.variant.roomy || written <= 0)) throw new Error(`wrote ${written} of ${length}`);
      node.contents.write(offset, bytes.subarray(0, written));
      modified(draw, node);
    },
    refused: () => {
      node.mtime = undefined;
    },
    touches: [node],
  };
};

const append: Plan = (draw) => {
  const file = draw.some("file");
  if (file === undefined) return undefined;
  const { node, path } = file;
  const bytes = pattern(draw.below(2 ** 31), draw.length(9000));
  return {
    text: `append ${bytes.length} bytes to ${show(path)}`,
    allocates: true,
    perform: (subject) => subject.append(path, bytes),
    done: (result) => {
      const written = Number(result);
      if (written < bytes.length && draw.variant.roomy) throw new Error(`wrote ${written} of ${bytes.length}`);
      node.contents.write(node.contents.size, bytes.subarray(0, written));
      modified(draw, node);
    },
    refused: () => {
      node.mtime = undefined;
    },
    touches: [node],
  };
};

const read: Plan = (draw) => {
  const file = draw.file();
  if (file === undefined) return undefined;
  const { node, target, text } = file;
  const offset = draw.offset(node.contents.size);
  const length = draw.length(100_000);
  return {
    text: `read ${length} bytes at ${offset} of ${text}`,
    perform: (subject) => subject.read(target, offset, length),
    done: (result) => {
      if (!node.contents.read(offset, length).equals(result as Buffer))
        throw new Error("other bytes than were written");
    },
    touches: [],
  };
};

const truncate: Plan = (draw) => {
  const file = draw.file();
  if (file === undefined) return undefined;
  const { node, target, text } = file;
  const size = draw.chance(0.2) ? 0 : draw.offset(node.contents.size);
  return {
    text: `truncate ${text} from ${node.contents.size} to ${size}`,
    allocates: true,
    perform: (subject) => subject.truncate(target, size),
    done: () => {
      node.mtime = size === node.contents.size ? undefined : { since: draw.now };
      node.contents.truncate(size);
    },
    touches: [node],
  };
};

const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const COLLAPSE_RANGE = 8;
const ZERO_RANGE = 0x10;
const INSERT_RANGE = 0x20;

function allocate(draw: Draw, mode: number): ReturnType<Plan> {
  const file = draw.file();
  if (file === undefined) return undefined;
  const { node, target, text } = file;
  const { contents } = node;
  const offset = draw.offset(contents.size);
  const length = draw.length(draw.variant.longestAllocation);
  const grows = (mode & KEEP_SIZE) === 0;
  const mapsExtents = draw.variant.extents || (mode & PUNCH_HOLE) !== 0;
  return {
    text: `fallocate 0x${mode.toString(16)} ${length} bytes at ${offset} of ${text} (${contents.size} bytes)`,
    fails: mapsExtents ? undefined : "EOPNOTSUPP",
    allocates: true,
    perform: (subject) => subject.fallocate(target, mode, offset, length),
    done: () => {
      if ((mode & (PUNCH_HOLE | ZERO_RANGE)) !== 0) contents.zero(offset, length);
      if (grows) contents.size = Math.max(contents.size, offset + length);
      node.mtime = undefined;
    },
    failed: () => {
      node.mtime = undefined;
    },
    refused: (subject) => {
      if ((mode & (PUNCH_HOLE | ZERO_RANGE)) !== 0) zeroedInPart(subject, target, node, offset, length);
      followSize(subject, target, node, grows ? Math.max(contents.size, offset + length) : contents.size);
    },
    touches: [node],
  };
}

/** What a refused punch leaves: each byte of the range is either as it was or zero. */
function zeroedInPart(subject: Subject, target: Target, node: Node, offset: number, length: number): void {
  const before = node.contents.read(offset, length);
  const after = subject.read(target, offset, before.length);
  for (let i = 0; i < before.length; i++) {
    if (after[i] !== before[i] && after[i] !== 0) throw new Error(`a refused call changed byte ${offset + i}`);
  }
  node.contents.write(offset, after);
}

const fallocate: Plan = (draw) => allocate(draw, draw.oneOf(0, KEEP_SIZE));
const punch: Plan = (draw) => allocate(draw, PUNCH_HOLE | KEEP_SIZE);
const zero: Plan = (draw) => {
  if (!draw.variant.roomy && !draw.refusesForGood) return undefined;
  return allocate(draw, ZERO_RANGE | draw.oneOf(0, KEEP_SIZE));
};

const shift: Plan = (draw) => {
  const file = draw.file();
  if (file === undefined) return undefined;
  const { node, target, text } = file;
  const { contents } = node;
  const unit = draw.variant.clusterSize;
  const collapse = draw.chance(0.5);
  const crooked = draw.chance(0.1) ? 1 + draw.below(unit - 1) : 0;
  const blocks = Math.floor(contents.size / unit);
  const offset = draw.below(Math.min(blocks, 300) + 1) * unit;
  const length = (1 + draw.below(Math.min(20, Math.max(blocks, 1)))) * unit + crooked;
  let fails: string | undefined;
  if (!draw.variant.extents || !draw.shiftsRanges) fails = "EOPNOTSUPP";
  else if (crooked !== 0) fails = "EINVAL";
  else if (collapse ? offset + length >= contents.size : offset >= contents.size) fails = "EINVAL";
  else if (!collapse && contents.size + length > draw.variant.farthest * 2) return undefined;
  const mode = collapse ? COLLAPSE_RANGE : INSERT_RANGE;
  return {
    text: `${collapse ? "collapse" : "insert"} ${length} bytes at ${offset} of ${text} (${contents.size} bytes)`,
    fails,
    allocates: true,
    perform: (subject) => subject.fallocate(target, mode, offset, length),
    done: () => {
      if (collapse) contents.collapse(offset, length);
      else contents.insert(offset, length);
      node.mtime = { since: draw.now };
    },
    failed: () => {
      node.mtime = undefined;
    },
    refused: () => {
      node.mtime = undefined;
    },
    touches: [node],
  };
};

const copy: Plan = (draw) => {
  const from = draw.file();
  const to = draw.file();
  if (from === undefined || to === undefined || to.handle?.append === true) return undefined;
  const fromOffset = draw.offset(from.node.contents.size);
  const toOffset = draw.offset(to.node.contents.size);
  const wanted = draw.length(draw.variant.longestWrite);
  const bytes = from.node.contents.read(fromOffset, wanted);
  // What a copy within a file adds to its end must not be copied as well.
  const length = from.node === to.node ? bytes.length : wanted;
  const overlaps = from.node === to.node && Math.abs(fromOffset - toOffset) < bytes.length;
  return {
    text: `copy ${length} bytes at ${fromOffset} of ${from.text} to ${toOffset} of ${to.text}`,
    fails: overlaps ? "EINVAL" : undefined,
    allocates: true,
    perform: (subject) => subject.copyRange(from.target, fromOffset, to.target, toOffset, length),
    done: (result) => {
      const copied = Number(result);
      if (copied > bytes.length || (draw.variant.roomy && copied !== bytes.length)) {
        throw new Error(`copied ${copied} of ${bytes.length}`);
      }
      if (copied === 0) return;
      to.node.contents.write(toOffset, bytes.subarray(0, copied));
      modified(draw, to.node);
    },
    // What was copied before room ended stays.
    refused: (subject) => {
      const { size } = subject.stat(to.target);
      if (size > Math.max(to.node.contents.size, toOffset + bytes.length)) throw new Error("copied too much");
      to.node.contents.size = Math.max(size, to.node.contents.size);
      const found = subject.read(to.target, toOffset, bytes.length);
      let same = 0;
      while (same < found.length && found[same] === bytes[same]) same++;
      to.node.contents.write(toOffset, found.subarray(0, same));
      to.node.mtime = undefined;
    },
    touches: [to.node],
  };
};

/** Writes until no room is left, so that what comes next is refused. Of roomy images a little. */
const fill: Plan = (draw) => {
  const file = draw.some("file");
  if (file === undefined || draw.variant.roomy) return undefined;
  const { node, path } = file;
  const bytes = pattern(draw.below(2 ** 31), 32_768);
  let writes = 0;
  const written = (subject: Subject): void => {
    const { size } = subject.stat(path);
    if (size === node.contents.size) {
      node.mtime = undefined;
      return;
    }
    while (node.contents.size < size) {
      node.contents.write(node.contents.size, bytes.subarray(0, Math.min(bytes.length, size - node.contents.size)));
    }
    modified(draw, node);
  };
  return {
    text: `fill the file system by ${show(path)}`,
    allocates: true,
    perform: (subject) => {
      if (subject.stat(path).size !== node.contents.size) throw new Error("the size is not what it was");
      for (; writes < 400; writes++) {
        const count = subject.append(path, bytes);
        if (count < bytes.length) break;
      }
      return subject;
    },
    done: (subject) => written(subject as Subject),
    refused: written,
    touches: [node],
  };
};

export const dataPlans = { write, append, read, truncate, fallocate, punch, zero, shift, copy, fill };
