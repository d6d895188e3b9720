import * as fs from "node:fs";
import { type Ext4, type Inode, statsOf } from "@bulkhead/ext4";
import { UsageError } from "../command-line/errors.js";
import { suggestion } from "../command-line/suggest.js";
import type { HostPath } from "./destination.js";
import type { Host } from "./host.js";

const kept = ["mode", "ownership", "timestamps", "xattr", "links"] as const;

/** What of a file is kept besides its contents. */
export type Preserve = Readonly<Record<(typeof kept)[number], boolean>>;

/** Reads the values of `--no-preserve`. @throws UsageError */
export function parsePreserve(lists: readonly string[]): Preserve {
  const left = new Set<string>();
  for (const name of lists.flatMap((list) => list.split(",")).filter((item) => item !== "")) {
    if (name === "all") for (const every of kept) left.add(every);
    else if ((kept as readonly string[]).includes(name)) left.add(name);
    else
      throw new UsageError(
        `--no-preserve does not know ${name}${suggestion(name, kept)}; it knows ${kept.join(", ")}, all`,
      );
  }
  return {
    mode: !left.has("mode"),
    ownership: !left.has("ownership"),
    timestamps: !left.has("timestamps"),
    xattr: !left.has("xattr"),
    links: !left.has("links"),
  };
}

const ACCESS_ACL = "system.posix_acl_access";
const DEFAULT_ACL = "system.posix_acl_default";
const SET_ID_BITS = 0o6000;

/** Puts a file's attributes on its copy. */
export class Attributes {
  readonly #host: Host;
  readonly #preserve: Preserve;
  readonly #umask: number;
  readonly #warn: (kind: string, message: string) => void;

  /** @param warn told of what cannot be kept, for each kind to be shown once */
  constructor(host: Host, preserve: Preserve, umask: number, warn: (kind: string, message: string) => void) {
    this.#host = host;
    this.#preserve = preserve;
    this.#umask = umask;
    this.#warn = warn;
  }

  /**
   * Sets owner, extended attributes, mode and times of `path`, in the order in which none undoes another: a change of owner
   * clears set-user-id bits and capabilities, and a mode without w keeps attributes from being set.
   *
   * @param inheritsAcl whether ACLs that the copy got from its directory are to be removed
   */
  set({ fs: engine }: Ext4, inode: Inode, path: HostPath, inheritsAcl: boolean): void {
    const stats = statsOf(inode, engine.geometry.blockSize);
    const ownerKept = this.#preserve.ownership && this.#setOwner(path, stats.uid, stats.gid);
    if (this.#preserve.xattr) {
      const names = engine.listXattrs(inode);
      if (inheritsAcl) this.#removeInherited(path, names);
      for (const name of names) this.#setXattr(path, name, () => engine.getXattr(inode, name));
    }
    if (!inode.isSymlink) {
      // Set-id bits are for the owner they were given by.
      const bits = ownerKept ? stats.mode & 0o7777 : stats.mode & 0o7777 & ~(inode.isDirectory ? 0 : SET_ID_BITS);
      const usual = inode.isDirectory ? 0o777 : stats.mode & 0o111 ? 0o777 : 0o666;
      fs.chmodSync(path, this.#preserve.mode ? bits : usual & ~this.#umask);
    }
    if (this.#preserve.timestamps) this.#host.setTimes(path, stats.atime, stats.mtime);
  }

  #setOwner(path: HostPath, uid: number, gid: number): boolean {
    try {
      this.#host.setOwner(path, uid, gid);
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#warn("owner", "owners are not kept: that needs root");
      return false;
    }
  }

  #removeInherited(path: HostPath, names: readonly string[]): void {
    for (const name of [ACCESS_ACL, DEFAULT_ACL]) {
      if (names.includes(name)) continue;
      try {
        this.#host.removeXattr(path, name);
      } catch {
        // there was none
      }
    }
  }

  #setXattr(path: HostPath, name: string, read: () => Uint8Array | undefined): void {
    const value = read();
    if (value === undefined) return;
    try {
      this.#host.setXattr(path, Buffer.from(name, "latin1"), value);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const space = name.startsWith("system.posix_acl")
        ? "ACLs"
        : `attributes of the namespace ${name.split(".", 1)[0]}`;
      const needsRoot = process.getuid?.() !== 0 && /^(security|trusted)\./.test(name);
      this.#warn(
        `xattr ${space}`,
        `${space} are not kept: ${needsRoot ? "that needs root" : "the destination does not take them"}`,
      );
    }
  }
}

/** Whether the host may not or cannot do it at all, rather than failed at it. */
function isRefusal(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EPERM" || code === "EACCES" || code === "EOPNOTSUPP" || code === "ENOTSUP" || code === "EINVAL";
}
