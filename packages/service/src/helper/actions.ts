import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { MountInfo } from "@bulkhead/fuse";
import { errnoName, ioctlValue, LinuxError } from "@bulkhead/linux";
import { type Caller, isPrivileged } from "./caller.js";
import { openFile } from "./files.js";
import { type CacheSettings, FirstAnswer } from "./first-answer.js";
import type { HeldMount } from "./held-mount.js";
import { handOver, type KeeperFiles } from "./keeper-files.js";
import { type MadeMount, mountByKernel } from "./kernel-mount.js";
import { MountPoint } from "./mount-point.js";
import type { FileOpening, HelperActions, MountRequest } from "./session.js";
import { mountByFusermount } from "./user-mount.js";

/** `_IO(229, 101)`. */
const FUSE_DEV_IOC_ADD_IOMAP = 0xe565;
const TABLE = "/run/mount/utab";
const TABLE_TIMEOUT = 10_000;

export interface ActionSettings {
  readonly caller: Caller;
  /** The FUSE device that the server has as well. */
  readonly fuse: number;
  /** Gets what is opened as well. */
  readonly held: HeldMount | undefined;
  readonly keeper: KeeperFiles | undefined;
  readonly subtype: string;
  /** FUSE mounts at which users can make no more; −1: any number. */
  readonly mountMax: number;
  readonly log: (message: string) => void;
}

/** What a session does, and what is to be known of it afterwards. */
export interface MountActions extends HelperActions {
  /** What mounting failed with. */
  readonly refusal: Error | undefined;
  /** The mount's line in mountinfo, if there is one. */
  info(): MountInfo | undefined;
  /** Waits for the mount's first answer, and sets what can be set then. Whether it came. Takes root. */
  settle(settings: CacheSettings): Promise<boolean>;
  /** Takes a mount back whose server gave up. */
  undo(): void;
  /** Closes what is held. The mount stays. */
  close(): void;
}

/** What a session does, done on this system. Mounts by itself as root, through fusermount3 otherwise. */
export class SystemActions implements MountActions {
  readonly #settings: ActionSettings;
  #point: MountPoint | undefined;
  #made: MadeMount | undefined;
  #firstAnswer: FirstAnswer | undefined;
  #source = "";
  #refusal: Error | undefined;

  constructor(settings: ActionSettings) {
    this.#settings = settings;
  }

  openFile(path: Uint8Array, opening: FileOpening): number {
    const { caller, log, held } = this.#settings;
    try {
      // A loop device is something that only root can make: not for users, on whose behalf we have root's rights.
      const tryLoop = opening.tryLoop && caller.uid === 0 && isPrivileged();
      const fd = openFile(path, { ...opening, tryLoop }, caller);
      held?.keep(path, fd, opening.flags);
      return fd;
    } catch (error) {
      // A server that waits for a busy device asks often.
      const told = error instanceof LinuxError && error.code !== "EBUSY" && !opening.quiet;
      if (told) log(`${new TextDecoder().decode(path)}: not opened: ${error.message}`);
      throw error;
    }
  }

  enableIomap(): void {
    ioctlValue(this.#settings.fuse, FUSE_DEV_IOC_ADD_IOMAP, 0);
  }

  keeperFile(what: number): number {
    return handOver(this.#settings.keeper, what);
  }

  pinMountPoint(path: Uint8Array, expected: number): void {
    const point = new MountPoint(path, expected, this.#settings.caller);
    this.#point?.close();
    this.#point = point;
  }

  checkMount(): void {
    const { caller, mountMax } = this.#settings;
    // Without root's rights it is fusermount3 that decides.
    if (caller.uid !== 0 && isPrivileged()) this.#pinned().checkUser(caller, mountMax);
  }

  mount(request: MountRequest): void {
    const { fuse, subtype, caller, log } = this.#settings;
    const target = { fuse, subtype, caller, point: this.#pinned() };
    this.#source = Buffer.from(request.source).toString();
    try {
      this.#made = isPrivileged() ? mountByKernel(request, target) : mountByFusermount(request, target);
      const info = this.info();
      if (info !== undefined && isPrivileged()) this.#firstAnswer = new FirstAnswer(info);
    } catch (error) {
      this.undo();
      if (error instanceof Error) {
        log(`${target.point.path}: not mounted: ${error.message}`);
        this.#refusal = error;
      }
      throw error;
    }
  }

  recordOptions(options: readonly string[]): void {
    const info = this.info();
    if (info === undefined || options.length === 0 || !isPrivileged() || !existsSync(TABLE)) return;
    const { subtype } = this.#settings;
    const type = `fuse.${subtype}`;
    const args = [
      "--no-canonicalize",
      "-i",
      "-f",
      "-t",
      type,
      "-o",
      options.join(","),
      "--",
      this.#source,
      info.mountpoint,
    ];
    spawnSync("/bin/mount", args, { env: {}, stdio: "ignore", timeout: TABLE_TIMEOUT });
  }

  get refusal(): Error | undefined {
    return this.#refusal;
  }

  info(): MountInfo | undefined {
    return this.#made?.info();
  }

  async settle(settings: CacheSettings): Promise<boolean> {
    const answer = this.#firstAnswer;
    return answer !== undefined && (await answer.settle(settings));
  }

  undo(): void {
    try {
      this.#made?.undo();
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      this.#settings.log(`the mount is left behind: ${errnoName(error.errno)}`);
    }
  }

  close(): void {
    this.#point?.close();
    this.#made?.release();
    this.#point = undefined;
    this.#made = undefined;
  }

  #pinned(): MountPoint {
    if (this.#point === undefined) throw new Error("a mount was allowed without a mount point");
    return this.#point;
  }
}
