import { resolve } from "node:path";
import { splitOptions } from "@bulkhead/service";
import type { GivenArguments } from "../command-line/declaration.js";
import { UsageError } from "../command-line/errors.js";

/** What mount(8) wants of its helper. */
export interface MountCall {
  /** As it was given, made absolute: the mount table shows it. */
  readonly source: string;
  readonly directory: string;
  /** The type of `-t`, or undefined. */
  readonly type: string | undefined;
  /** Words of `-o` as they are written, those for mount(8) left out. */
  readonly words: readonly string[];
  /** To change what is mounted, instead of mounting it. */
  readonly remount: boolean;
  readonly sloppy: boolean;
  readonly fake: boolean;
  readonly verbose: boolean;
}

/** Words of fstab(5) that tell mount(8), or systemd, when and for whom to mount; libfuse's helper drops the same. */
const FOR_MOUNT = new Set([
  "defaults",
  "auto",
  "noauto",
  "nofail",
  "_netdev",
  "user",
  "nouser",
  "users",
  "owner",
  "group",
]);

/** Whether a word of `-o` is nobody's who serves a file system. */
function isForMount(word: string): boolean {
  return word === "" || FOR_MOUNT.has(word) || word.startsWith("comment=");
}

/** @throws UsageError */
export function readCall(given: GivenArguments): MountCall {
  const [source, directory] = given.positionals;
  if (source === undefined || directory === undefined) throw new UsageError("a source and a directory are needed");
  const words = given.values("options").flatMap((list) => splitOptions(list));
  return {
    source: resolve(source),
    directory: resolve(directory),
    type: given.values("types")[0],
    words: words.filter((word) => word !== "remount" && !isForMount(word)),
    remount: words.includes("remount"),
    sloppy: given.flag("sloppy"),
    fake: given.flag("fake"),
    verbose: given.flag("verbose"),
  };
}

/** Where services are looked for, if not at the usual place. */
export function socketDirectory(): { readonly socketDirectory?: string } {
  const { BULKHEAD_SOCKET_DIRECTORY } = process.env;
  return BULKHEAD_SOCKET_DIRECTORY ? { socketDirectory: resolve(BULKHEAD_SOCKET_DIRECTORY) } : {};
}
