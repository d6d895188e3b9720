import { Errno, LinuxError, MountFlag } from "@bulkhead/linux";
import { EXTENSIONS_OPTION, KEEPER_OPTION, splitOptions, unescapeOption } from "../protocol/index.js";

/** What the caller of the helper asked for, sorted by whose business it is. */
export interface ServiceCommand {
  /** Type of the file system, without `fuse.`. */
  readonly subtype: string;
  /** Device or image, exactly as it was given; absent if there was only a mount point. */
  readonly source: Uint8Array | undefined;
  /** Exactly as it was given: it has to reach the helper so. Its path means nothing here. */
  readonly mountPoint: Uint8Array;
  /** `MountFlag` bits. */
  readonly msFlags: number;
  /** For the kernel's FUSE. */
  readonly fuseOptions: readonly string[];
  /** For the mount table alone. */
  readonly tableOptions: readonly string[];
  /** What the mount table is to show as source; absent: not said. */
  readonly fsname: string | undefined;
  /** Mount a block device as `fuseblk`. */
  readonly blockMount: boolean;
  /** Only root and the caller may come in: the kernel is asked to let all in, and the file system has to see to it. */
  readonly allowRoot: boolean;
  /** The helper understands the extensions (IOMAP, TRY_LOOP). */
  readonly extensions: boolean;
  /** The helper stays, as the mount's keeper: `ServiceConnection.requestKeeperFile`. */
  readonly keeper: boolean;
  /** All other words of `-o`, in order: the file system's. */
  readonly options: readonly string[];
  /** Other arguments that begin with `-`. */
  readonly flags: readonly string[];
}

/** Words that are mount flags: bits to set, or to clear. */
const flagWords: Readonly<Record<string, { readonly set?: number; readonly clear?: number }>> = {
  ro: { set: MountFlag.RDONLY },
  rw: { clear: MountFlag.RDONLY },
  nosuid: { set: MountFlag.NOSUID },
  suid: { clear: MountFlag.NOSUID },
  nodev: { set: MountFlag.NODEV },
  dev: { clear: MountFlag.NODEV },
  noexec: { set: MountFlag.NOEXEC },
  exec: { clear: MountFlag.NOEXEC },
  sync: { set: MountFlag.SYNCHRONOUS },
  async: { clear: MountFlag.SYNCHRONOUS },
  dirsync: { set: MountFlag.DIRSYNC },
  noatime: { set: MountFlag.NOATIME },
  atime: { clear: MountFlag.NOATIME },
  nodiratime: { set: MountFlag.NODIRATIME },
  diratime: { clear: MountFlag.NODIRATIME },
  nosymfollow: { set: MountFlag.NOSYMFOLLOW },
  symfollow: { clear: MountFlag.NOSYMFOLLOW },
  relatime: { set: MountFlag.RELATIME },
  norelatime: { clear: MountFlag.RELATIME },
  strictatime: { set: MountFlag.STRICTATIME },
  nostrictatime: { clear: MountFlag.STRICTATIME },
  lazytime: { set: MountFlag.LAZYTIME },
  nolazytime: { clear: MountFlag.LAZYTIME },
};

const fuseWords = new Set(["allow_other", "default_permissions"]);
const fuseKeys = new Set(["max_read", "blksize", "context", "fscontext", "defcontext", "rootcontext"]);
/** Of mount(8), fstab and the ordinary way to mount; nothing to do here. */
const ignoredWords = new Set(
  "defaults auto noauto nofail _netdev user nouser users owner group auto_unmount iversion noiversion".split(" "),
);

/**
 * Sorts the arguments that came over the service protocol.
 *
 * @param own the server's own arguments, as in the unit's ExecStart=; they count first
 * @throws {LinuxError} EINVAL with what is wrong
 */
export function parseCommand([type, ...given]: readonly Uint8Array[], own: readonly string[] = []): ServiceCommand {
  // Latin-1 keeps every byte apart; texts for others are decoded in the end.
  const list = [...own.map((word) => Buffer.from(word)), ...given].map((word) => Buffer.from(word).toString("latin1"));
  const words: string[] = [];
  const positional: string[] = [];
  const flags: string[] = [];
  const tableOptions: string[] = [];
  for (let at = 0; at < list.length; at++) {
    const argument = list[at] ?? "";
    if (argument === "-o") {
      const value = list[++at];
      if (value === undefined) throw wrong("-o without options");
      words.push(...splitOptions(value));
    } else if (argument.startsWith("-o")) words.push(...splitOptions(argument.slice(2)));
    else if (argument === "-r") words.push("ro");
    else if (argument === "-n") tableOptions.push("-n");
    else if (argument.startsWith("-") && argument !== "-") flags.push(utf8(argument));
    else positional.push(argument);
  }
  const mountPoint = positional.pop();
  if (mountPoint === undefined || mountPoint === "") throw wrong("there is no mount point");
  if (positional.length > 1) throw wrong(`there is one source, and not ${positional.length}`);
  const [source] = positional;

  let msFlags = MountFlag.NOSUID | MountFlag.NODEV;
  let fsname: string | undefined;
  let blockMount = false;
  let allowRoot = false;
  let extensions = false;
  let keeper = false;
  const fuseOptions: string[] = [];
  const options: string[] = [];
  for (const word of words) {
    const equals = word.indexOf("=");
    const key = equals < 0 ? word : word.slice(0, equals);
    const flag = Object.hasOwn(flagWords, word) ? flagWords[word] : undefined;
    if (flag !== undefined) msFlags = (msFlags | (flag.set ?? 0)) & ~(flag.clear ?? 0);
    else if (fuseWords.has(word) || (equals > 0 && fuseKeys.has(key))) fuseOptions.push(utf8(word));
    else if (word === "allow_root") {
      allowRoot = true;
      fuseOptions.push("allow_other");
    } else if (word === "blkdev") blockMount = true;
    else if (key === "fsname" && equals > 0) fsname = unescapeOption(word.slice(equals + 1));
    else if (key === "subtype" || ignoredWords.has(word) || word === "") continue;
    else if (word === EXTENSIONS_OPTION) extensions = true;
    else if (word === KEEPER_OPTION) keeper = true;
    else if (key.startsWith("x-") || (key === "user" && equals > 0)) tableOptions.push(utf8(word));
    else options.push(utf8(unescapeOption(word)));
  }
  return {
    subtype: utf8(Buffer.from(type ?? []).toString("latin1")),
    source: source === undefined ? undefined : bytes(source),
    mountPoint: bytes(mountPoint),
    msFlags,
    fuseOptions: [...new Set(fuseOptions)],
    tableOptions,
    fsname: fsname === undefined ? undefined : utf8(fsname),
    blockMount,
    allowRoot,
    extensions,
    keeper,
    options,
    flags,
  };
}

const bytes = (latin1: string) => new Uint8Array(Buffer.from(latin1, "latin1"));
const utf8 = (latin1: string) => Buffer.from(latin1, "latin1").toString("utf8");

function wrong(what: string): LinuxError {
  return new LinuxError("mount", Errno.EINVAL, what);
}
