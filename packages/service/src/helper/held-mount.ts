import { constants } from "node:fs";
import { close, duplicate, Errno, LinuxError } from "@bulkhead/linux";
import type { MountActions } from "./actions.js";
import { handOver, type KeeperFiles } from "./keeper-files.js";
import type { FileOpening } from "./session.js";

/** O_ACCMODE, which node:fs lacks. */
const ACCESS_MODE = 3;

/** What each of a mount's servers has in its turn: the FUSE device, and the files that were opened for the first one. */
export class HeldMount {
  readonly fuse: number;
  #isClosed = false;
  readonly #files = new Map<string, { readonly fd: number; readonly writable: boolean }>();

  /** @param fuse the server's very own: another open file of the connection would have requests of its own */
  constructor(fuse: number) {
    this.fuse = duplicate(fuse);
  }

  /** Holds a file; of several openings, the last one. */
  keep(path: Uint8Array, fd: number, flags: number): void {
    const key = keyOf(path, flags);
    const before = this.#files.get(key);
    this.#files.set(key, { fd: duplicate(fd), writable: (flags & ACCESS_MODE) !== constants.O_RDONLY });
    if (before !== undefined) close(before.fd);
  }

  /** The same open file: locks that are on it stay there. @throws {LinuxError} ENOENT; EROFS when it was only opened for reading */
  duplicateOf(path: Uint8Array, flags: number): number {
    const found = this.#files.get(keyOf(path, flags));
    const subject = new TextDecoder().decode(path);
    if (found === undefined) throw new LinuxError("open", Errno.ENOENT, subject);
    const writes = (flags & ACCESS_MODE) !== constants.O_RDONLY;
    if (writes && !found.writable) throw new LinuxError("open", Errno.EROFS, subject);
    return duplicate(found.fd);
  }

  /** Lets go, once. Where no server has the device either, the mount answers ENOTCONN from here on. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    close(this.fuse);
    for (const { fd } of this.#files.values()) close(fd);
    this.#files.clear();
  }
}

/** A file that is open twice, for direct I/O and not, is two. */
function keyOf(path: Uint8Array, flags: number): string {
  const way = (flags & constants.O_DIRECT) === 0 ? "cached" : "direct";
  return `${way} ${Buffer.from(path).toString("latin1")}`;
}

/** What a session does for a server that goes on with a mount: nothing is opened, and nothing is mounted. */
export class HeldActions implements MountActions {
  readonly refusal = undefined;
  readonly #held: HeldMount;
  readonly #keeper: KeeperFiles | undefined;

  constructor(held: HeldMount, keeper: KeeperFiles | undefined) {
    this.#held = held;
    this.#keeper = keeper;
  }

  openFile(path: Uint8Array, { flags, blockDevice }: FileOpening): number {
    if (blockDevice) throw new LinuxError("open", Errno.ENOTBLK, new TextDecoder().decode(path));
    return this.#held.duplicateOf(path, flags);
  }

  enableIomap(): void {
    throw new LinuxError("ioctl", Errno.EOPNOTSUPP, "iomap");
  }

  keeperFile(what: number): number {
    return handOver(this.#keeper, what);
  }

  pinMountPoint(): void {}
  checkMount(): void {}
  mount(): void {}
  recordOptions(): void {}
  info(): undefined {}

  async settle(): Promise<boolean> {
    return false;
  }

  undo(): void {}
  close(): void {}
}
