import { Errno, LinuxError, MountFlag, type Path, SOCKET_PATH_MAX } from "@bulkhead/linux";
import { splitOptions, unescapeOption } from "../protocol/index.js";

/** Where services listen if nothing else is configured: one socket a type. */
export const SOCKET_DIRECTORY = "/run/filesystems";

const TYPE_FLAG = Buffer.from("-t");

/** What a helper was asked to do, and what follows from it for the server's wishes. */
export interface HelperCommand {
  /** The type of file system without `fuse.` or `fuseblk.`: the socket's name, and what the mount table shows. */
  readonly subtype: string;
  /** What goes to the server: the type, then all arguments but `-t X`. */
  readonly passedOn: readonly Uint8Array[];
  /** Arguments that this helper has itself, its name included. */
  readonly given: number;
  /** The only place where a mount may go. */
  readonly mountPoint: Uint8Array;
  /** All that the server may have opened: what the caller named, save the mount point. */
  readonly files: readonly Uint8Array[];
  /** The caller wants set-user-id bits and device nodes to work. */
  readonly suid: boolean;
  readonly dev: boolean;
  /** What the mount is to be, whatever the server makes of it: `MountFlag` bits. */
  readonly restrictions: number;
  /** The words of all `-o`. */
  readonly words: readonly string[];
}

/**
 * Reads a helper's arguments, without its name: `[SOURCE] MOUNTPOINT -t TYPE [-o OPTIONS] …`.
 *
 * @throws {LinuxError} EINVAL with what is wrong
 */
export function parseHelperCommand(list: readonly Path[]): HelperCommand {
  const args = list.map((argument) => Buffer.from(argument as Uint8Array));
  let type: string | undefined;
  const kept: Buffer[] = [];
  for (let at = 0; at < args.length; at++) {
    const argument = args[at]!;
    if (!argument.equals(TYPE_FLAG)) {
      kept.push(argument);
      continue;
    }
    const value = args[++at]?.toString("utf8");
    if (value === undefined) throw wrong("-t without a type");
    type ??= value; // the first counts
  }
  if (type === undefined) throw wrong("no type: -t TYPE is missing");
  return {
    ...sorted(kept),
    subtype: subtypeOf(type),
    passedOn: [Buffer.from(subtypeOf(type)), ...kept],
    given: args.length + 1,
  };
}

/** `type` without its prefix. @throws {LinuxError} EINVAL: it is no name that a socket can have */
export function subtypeOf(type: string): string {
  const subtype = type.replace(/^fuse(blk)?\./, "");
  if (subtype === "" || subtype === "." || subtype === ".." || /[/\0]/.test(subtype)) {
    throw wrong(`${JSON.stringify(type)} is no type of file system`);
  }
  return subtype;
}

/** The socket of a type's service. @throws {LinuxError} ENAMETOOLONG */
export function socketPath(subtype: string, directory: string = SOCKET_DIRECTORY): string {
  const path = `${directory}/${subtype}`;
  if (Buffer.byteLength(path) >= SOCKET_PATH_MAX) throw new LinuxError("connect", Errno.ENAMETOOLONG, path);
  return path;
}

/** Words by which a caller has a mount do less, and those that take them back. */
const RESTRICTING = [
  ["ro", "rw", MountFlag.RDONLY],
  ["noexec", "exec", MountFlag.NOEXEC],
  ["nosymfollow", "symfollow", MountFlag.NOSYMFOLLOW],
] as const;

type Sorted = Pick<HelperCommand, "mountPoint" | "files" | "suid" | "dev" | "restrictions" | "words">;

function sorted(kept: readonly Buffer[]): Sorted {
  const positional: Buffer[] = [];
  const words: string[] = [];
  for (let at = 0; at < kept.length; at++) {
    const argument = kept[at]!;
    // Latin-1 keeps bytes apart that are no UTF-8.
    const text = argument.toString("latin1");
    if (text === "-o") words.push(...splitOptions(kept[++at]?.toString("latin1") ?? ""));
    else if (text.startsWith("-o")) words.push(...splitOptions(text.slice(2)));
    else if (text === "-r") words.push("ro");
    else if (!text.startsWith("-")) positional.push(argument);
  }
  const mountPoint = positional[Math.min(1, positional.length - 1)];
  if (mountPoint === undefined || mountPoint.length === 0) throw wrong("there is no mount point");
  const files: Uint8Array[] = kept.filter((argument) => argument !== mountPoint && argument.length > 0);
  for (const word of words) {
    // An option that names a file (a journal's device): the caller's words as well.
    const value = unescapeOption(word.slice(word.indexOf("=") + 1));
    if (word.includes("=") && value !== "") files.push(Buffer.from(value, "latin1"));
  }
  /** Of two words that contradict each other, the last one counts. */
  const isSaid = (word: string, opposite: string) =>
    words.findLast((said) => said === word || said === opposite) === word;
  return {
    mountPoint,
    files: files.filter((file) => Buffer.compare(file, mountPoint) !== 0),
    suid: isSaid("suid", "nosuid"),
    dev: isSaid("dev", "nodev"),
    restrictions: RESTRICTING.reduce((bits, [word, opposite, bit]) => (isSaid(word, opposite) ? bits | bit : bits), 0),
    words: words.map((word) => Buffer.from(word, "latin1").toString("utf8")),
  };
}

function wrong(what: string): LinuxError {
  return new LinuxError("mount", Errno.EINVAL, what);
}
