/** Operations on names. The order of the checks is that of the kernel's fs/namei.c. */
import { makeDevice } from "../../system/calls.js";
import { type Draw, type Plan, show, tooLong } from "../action.js";
import { RenameFlag } from "../calls.js";
import type { Entry, Kind, Node } from "../model.js";

/** The errno of making something new with a name. */
function refuseNew(name: string, entry: Entry | undefined): string | undefined {
  if (tooLong(name)) return "ENAMETOOLONG";
  return entry === undefined ? undefined : "EEXIST";
}

const create: Plan = (draw) => {
  const { directory, name, entry, path } = draw.entry();
  const mode = draw.oneOf(0o644, 0o600, 0o4755, 0o2711, 0o1777, 0);
  return {
    text: `create ${show(path)} 0${mode.toString(8)}`,
    fails: refuseNew(name, entry),
    allocates: true,
    perform: (subject) => subject.create(path, mode),
    done: () => draw.model.link(directory, name, draw.model.create(directory, "file", mode, draw.now), draw.now),
    touches: [directory],
  };
};

const mkdir: Plan = (draw) => {
  const { directory, entry, ...drawn } = draw.entry();
  const name = entry === undefined && !tooLong(drawn.name) ? `d${draw.below(60)}` : drawn.name;
  const found = draw.model.find(directory, name);
  const path = draw.join(directory, name);
  const mode = draw.oneOf(0o755, 0o700, 0o1777, 0o2775);
  return {
    text: `mkdir ${show(path)} 0${mode.toString(8)}`,
    fails: refuseNew(name, found),
    allocates: true,
    // mkdir(2) takes no set-group-ID bit: the directory above decides.
    perform: (subject) => subject.mkdir(path, mode),
    done: () => {
      const node = draw.model.create(directory, "directory", mode & ~0o2000, draw.now);
      draw.model.link(directory, name, node, draw.now);
    },
    touches: [directory],
  };
};

const NODES: readonly (readonly [Kind, number])[] = [
  ["fifo", 0o010000],
  ["socket", 0o140000],
  ["character", 0o020000],
  ["block", 0o060000],
];

const mknod: Plan = (draw) => {
  const { directory, name, entry, path } = draw.entry();
  const [kind, type] = draw.pick(NODES)!;
  const rdev = type === 0o020000 || type === 0o060000 ? draw.oneOf(makeDevice(1, 3), makeDevice(259, 70_000)) : 0;
  return {
    text: `mknod ${show(path)} ${kind}`,
    fails: refuseNew(name, entry),
    allocates: true,
    perform: (subject) => subject.mknod(path, type | 0o640, rdev),
    done: () => {
      const node = draw.model.create(directory, kind, 0o640, draw.now);
      node.rdev = rdev;
      draw.model.link(directory, name, node, draw.now);
    },
    touches: [directory],
  };
};

const symlink: Plan = (draw) => {
  const { directory, name, entry, path } = draw.entry();
  const limit = Math.min(draw.variant.blockSize, 4096);
  const length = draw.oneOf(1, 1 + draw.below(58), 59, 60, 61, 1 + draw.below(limit - 2), limit - 1);
  const target = "target/".repeat(Math.ceil(length / 7)).slice(0, length);
  return {
    text: `symlink of ${length} bytes ${show(path)}`,
    fails: refuseNew(name, entry),
    allocates: true,
    perform: (subject) => subject.symlink(target, path),
    done: () => {
      const node = draw.model.create(directory, "symlink", 0o777, draw.now);
      node.target = target;
      draw.model.link(directory, name, node, draw.now);
    },
    touches: [directory],
  };
};

const link: Plan = (draw) => {
  const from = draw.some("file", "symlink", "fifo", "character", "directory");
  if (from === undefined || from.node === draw.model.root) return undefined;
  const { directory, name, entry, path } = draw.entry();
  const refusal = refuseNew(name, entry) ?? (from.node.kind === "directory" ? "EPERM" : undefined);
  return {
    text: `link ${show(from.path)} to ${show(path)}`,
    fails: refusal,
    allocates: true,
    perform: (subject) => subject.link(from.path, path),
    done: () => {
      from.node.nlink++;
      draw.model.link(directory, name, from.node, draw.now);
    },
    touches: [directory, from.node],
  };
};

/** A name that leads to a node is gone; a directory is gone with it. */
function drop(draw: Draw, entry: Entry): void {
  draw.model.unlink(entry, draw.now);
  entry.node.nlink = entry.node.kind === "directory" ? 0 : entry.node.nlink - 1;
}

const unlink: Plan = (draw) => {
  const { directory, name, entry, path } = draw.entry();
  const refusal = tooLong(name)
    ? "ENAMETOOLONG"
    : entry === undefined
      ? "ENOENT"
      : entry.node.kind === "directory"
        ? "EISDIR"
        : undefined;
  return {
    text: `unlink ${show(path)}`,
    fails: refusal,
    perform: (subject) => subject.unlink(path),
    done: () => drop(draw, entry!),
    touches: entry === undefined ? [directory] : [directory, entry.node],
  };
};

const rmdir: Plan = (draw) => {
  const some = draw.chance(0.6) ? draw.some("directory") : undefined;
  const found = some === undefined ? undefined : [...some.node.names][0];
  const drawn = draw.entry();
  const directory = found?.directory ?? drawn.directory;
  const name = found?.name ?? drawn.name;
  const entry = found ?? drawn.entry;
  const path = draw.join(directory, name);
  let refusal: string | undefined;
  if (tooLong(name)) refusal = "ENAMETOOLONG";
  else if (entry === undefined) refusal = "ENOENT";
  else if (entry.node.kind !== "directory") refusal = "ENOTDIR";
  else if (entry.node.entries.size > 0) refusal = "ENOTEMPTY";
  return {
    text: `rmdir ${show(path)}`,
    fails: refusal,
    perform: (subject) => subject.rmdir(path),
    done: () => drop(draw, entry!),
    touches: [directory],
  };
};

const rename: Plan = (draw) => {
  const from = draw.entry();
  const to = draw.entry();
  const flags = draw.chance(0.6) ? 0 : draw.oneOf(1, 2, 2, 4, 5, 3, 6);
  const moved = from.entry?.node;
  const replaced = to.entry?.node;
  // A whiteout is made first, and taken back when the rename fails.
  const takenBack = (): void => {
    if ((flags & RenameFlag.whiteout) !== 0) from.directory.mtime = undefined;
  };
  return {
    text: `rename ${show(from.path)} to ${show(to.path)} flags ${flags}`,
    fails: refuseRename(draw, from, to, flags),
    allocates: true,
    perform: (subject) => subject.rename(from.path, to.path, flags),
    done: () => {
      if (moved === replaced) return; // two names of one inode: nothing happens
      const { model, now } = draw;
      // Where names differ only in case, those that are there stay.
      if ((flags & RenameFlag.exchange) !== 0) {
        model.unlink(from.entry!, now);
        model.unlink(to.entry!, now);
        model.link(from.directory, from.entry!.name, replaced!, now);
        model.link(to.directory, to.entry!.name, moved!, now);
        return;
      }
      if (to.entry !== undefined) drop(draw, to.entry);
      model.unlink(from.entry!, now);
      model.link(to.directory, to.entry?.name ?? to.name, moved!, now);
      if ((flags & RenameFlag.whiteout) !== 0) {
        const whiteout = model.create(from.directory, "character", 0, now);
        model.link(from.directory, from.entry!.name, whiteout, now);
      }
    },
    failed: takenBack,
    refused: takenBack,
    touches: [from.directory, to.directory, ...[moved, replaced].filter((node) => node !== undefined)],
  };
};

type Place = ReturnType<Draw["entry"]>;

function refuseRename(draw: Draw, from: Place, to: Place, flags: number): string | undefined {
  const exchange = (flags & RenameFlag.exchange) !== 0;
  if (exchange && flags !== RenameFlag.exchange) return "EINVAL";
  if (tooLong(from.name)) return "ENAMETOOLONG";
  const moved = from.entry?.node;
  const replaced = to.entry?.node;
  if (moved === undefined) return "ENOENT";
  if (tooLong(to.name)) return "ENAMETOOLONG";
  if ((flags & RenameFlag.noReplace) !== 0 && replaced !== undefined) return "EEXIST";
  if (exchange && replaced === undefined) return "ENOENT";
  // A directory cannot go below itself, and what is above it cannot be replaced.
  if (moved.kind === "directory" && draw.model.isBelow(to.directory, moved)) return "EINVAL";
  if (replaced?.kind === "directory" && draw.model.isBelow(from.directory, replaced)) {
    return exchange ? "EINVAL" : "ENOTEMPTY";
  }
  if (moved === replaced || replaced === undefined || exchange) return undefined;
  return refuseReplacement(moved, replaced);
}

function refuseReplacement(moved: Node, replaced: Node): string | undefined {
  if (moved.kind === "directory") {
    if (replaced.kind !== "directory") return "ENOTDIR";
    return replaced.entries.size > 0 ? "ENOTEMPTY" : undefined;
  }
  return replaced.kind === "directory" ? "EISDIR" : undefined;
}

/** Many files at once, so that directories get an index; every call must do what it says until one is refused. */
const crowd: Plan = (draw) => {
  const directory = draw.directory();
  const above = draw.model.path(directory);
  const prefix = `c${draw.below(1000)}${draw.chance(0.5) ? "-with-a-name-that-takes-room".repeat(1 + draw.below(7)) : ""}-`;
  const names = Array.from({ length: 20 + draw.below(draw.variant.crowd) }, (_, index) => `${prefix}${index}`);
  if (names.some((name) => draw.model.find(directory, name) !== undefined)) return undefined;
  const add = (name: string): void => {
    draw.model.link(directory, name, draw.model.create(directory, "file", 0o644, draw.now), draw.now);
  };
  let made = 0;
  return {
    text: `create ${names.length} files ${show(`${draw.join(directory, prefix)}*`)}`,
    allocates: true,
    perform: (subject) => {
      for (const name of names) {
        subject.create(above === "" ? name : `${above}/${name}`, 0o644);
        made++;
      }
    },
    done: () => names.forEach(add),
    refused: () => names.slice(0, made).forEach(add),
    touches: [directory],
  };
};

/** Removes every second of a directory's files, or all of them. */
const thin: Plan = (draw) => {
  const directories = draw.model.all("directory").filter((node) => node.entries.size > 15);
  const directory = draw.pick(directories);
  if (directory === undefined) return undefined;
  const step = 1 + draw.below(2);
  const doomed = [...directory.entries.values()].filter((entry, i) => i % step === 0 && entry.node.kind === "file");
  return {
    text: `unlink ${doomed.length} of the files in ${show(draw.model.path(directory))}`,
    perform: (subject) => {
      for (const entry of doomed) subject.unlink(draw.model.path(entry));
    },
    done: () => {
      for (const entry of doomed) drop(draw, entry);
    },
    touches: [directory],
  };
};

export const namespacePlans = { create, mkdir, mknod, symlink, link, unlink, rmdir, rename, crowd, thin };
