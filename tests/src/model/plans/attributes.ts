/** Operations on what is known about a file. */
import { type Plan, show } from "../action.js";
import { pattern } from "../contents.js";
import { FLAGS, type Node } from "../model.js";
import { keptTime } from "../variants.js";

const ANY = ["file", "directory", "symlink", "fifo", "character"] as const;
const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTE = 0o010;

const chmod: Plan = (draw) => {
  const some = draw.some("file", "directory", "fifo");
  if (some === undefined) return undefined;
  const mode = draw.oneOf(0o644, 0o755, 0o4711, 0o2755, 0o6750, 0o1777, 0o2644, 0);
  return {
    text: `chmod 0${mode.toString(8)} ${show(some.path)}`,
    perform: (subject) => subject.chmod(some.path, mode),
    done: () => {
      some.node.mode = mode;
    },
    touches: [some.node],
  };
};

const chown: Plan = (draw) => {
  const some = draw.some(...ANY);
  if (some === undefined) return undefined;
  const uid = draw.oneOf(0, 1000, 65_534, 70_000, 0x7fff_fff0);
  const gid = draw.oneOf(0, 1000, 65_534, 100_001);
  return {
    text: `chown ${uid}:${gid} ${show(some.path)}`,
    perform: (subject) => subject.chown(some.path, uid, gid),
    done: () => {
      some.node.uid = uid;
      some.node.gid = gid;
      stripSetIds(some.node);
    },
    touches: [some.node],
  };
};

/** chown(2) takes the set-id bits of what is no directory; the group's means something else without execution. */
function stripSetIds(node: Node): void {
  if (node.kind === "directory") return;
  node.mode &= ~SET_USER_ID;
  if ((node.mode & GROUP_EXECUTE) !== 0) node.mode &= ~SET_GROUP_ID;
}

const SECOND = 1_000_000_000n;

const setTimes: Plan = (draw) => {
  const some = draw.some(...ANY);
  if (some === undefined) return undefined;
  const moment = (): bigint => {
    const seconds = draw.oneOf(
      0n,
      1n,
      -1n,
      -2_147_483_648n,
      2_147_483_647n,
      2_147_483_648n,
      4_300_000_000n,
      9_999_999_999n,
    );
    return seconds * SECOND + BigInt(draw.oneOf(0, 1, 999_999_999, draw.below(1_000_000_000)));
  };
  const atime = moment();
  const mtime = moment();
  return {
    text: `set times of ${show(some.path)} to ${atime} and ${mtime}`,
    perform: (subject) => subject.setTimes(some.path, atime, mtime),
    done: () => {
      some.node.atime = { exactly: keptTime(draw.variant, atime) };
      some.node.mtime = { exactly: keptTime(draw.variant, mtime) };
    },
    touches: [some.node],
  };
};

const PREFIXES = ["user.", "user.", "trusted.", "security."];
/** The errno of a value that finds no place: ext4 says so whatever room the file system has. */
const CRAMPED_SHARE = 8;

const setXattr: Plan = (draw) => {
  const some = draw.some(...ANY);
  if (some === undefined) return undefined;
  const { node, path } = some;
  const name = `${draw.pick(PREFIXES)!}${draw.oneOf("a", "b", "note", "longer-name", "x".repeat(100))}`;
  const limit = node.kind === "symlink" ? draw.variant.longestLinkXattr : draw.variant.longestXattr;
  const value = pattern(draw.below(2 ** 31), draw.oneOf(0, draw.below(20), draw.below(120), draw.below(limit), limit));
  const flags = draw.chance(0.7) ? 0 : draw.oneOf(1, 2);
  const there = node.xattrs.get(name);
  let fails: string | undefined;
  if (name.startsWith("user.") && node.kind !== "file" && node.kind !== "directory") fails = "EPERM";
  else if (flags === 1 && there !== undefined) fails = "EEXIST";
  else if (flags === 2 && there === undefined) fails = "ENODATA";
  let total = value.length + name.length + 32;
  for (const [other, bytes] of node.xattrs) if (other !== name) total += bytes.length + other.length + 32;
  return {
    text: `set xattr ${name} of ${show(path)} to ${value.length} bytes, flags ${flags}`,
    fails,
    allocates: true,
    cramped: total > draw.variant.blockSize / CRAMPED_SHARE,
    perform: (subject) => subject.setXattr(path, name, value, flags),
    done: () => {
      node.xattrs.set(name, value);
    },
    touches: [node],
  };
};

const removeXattr: Plan = (draw) => {
  const withSome = [...draw.model.nodes].filter((node) => node.xattrs.size > 0);
  const node = draw.chance(0.8) ? draw.pick(withSome) : draw.some("file", "directory")?.node;
  if (node === undefined) return undefined;
  const name = draw.chance(0.9) ? (draw.pick([...node.xattrs.keys()]) ?? "user.a") : "trusted.missing";
  const path = draw.model.path(node);
  return {
    text: `remove xattr ${name} of ${show(path)}`,
    fails: node.xattrs.has(name) ? undefined : "ENODATA",
    perform: (subject) => subject.removeXattr(path, name),
    done: () => {
      node.xattrs.delete(name);
    },
    touches: [node],
  };
};

const setFlags: Plan = (draw) => {
  const some = draw.some("file", "directory");
  if (some === undefined) return undefined;
  const flags = draw.oneOf(0, 0x40, 0x80, FLAGS);
  return {
    text: `set flags 0x${flags.toString(16)} of ${show(some.path)}`,
    perform: (subject) => subject.setFlags(some.path, (subject.getFlags(some.path) & ~FLAGS) | flags),
    done: () => {
      some.node.flags = flags;
    },
    touches: [some.node],
  };
};

export const attributePlans = { chmod, chown, setTimes, setXattr, removeXattr, setFlags };
