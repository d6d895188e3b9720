/** The file system that one case is about: a directory of its own on the mount, and what it may know and need. */
import { chmodSync, closeSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { open } from "@bulkhead/linux";
import type { Facts } from "./facts.js";

/** Longer than any tick of the coarse clock that inodes are stamped with (HZ=100). */
const TICK = 12;
const WHOLE_SECOND = 1_050;

export class Subject {
  /** A new empty directory on the mount, which anyone may enter and write to. */
  readonly directory: string;
  /** Where the file system is mounted. */
  readonly mountPoint: string;
  readonly facts: Facts;
  /** A directory on another file system. */
  readonly elsewhere: string;
  readonly #deferred: (() => void)[] = [];
  readonly #descriptors = new Set<number>();

  constructor(mountPoint: string, directory: string, facts: Facts, elsewhere: string) {
    this.mountPoint = mountPoint;
    this.directory = directory;
    this.facts = facts;
    this.elsewhere = elsewhere;
  }

  /** A path below the case's directory; relative ones go through here only. */
  path(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  /** Makes a regular file of these contents. Its path. */
  file(name: string, contents: string | Uint8Array = "", mode = 0o644): string {
    const path = this.path(name);
    writeFileSync(path, contents);
    chmodSync(path, mode);
    return path;
  }

  /** Makes a directory. Its path. */
  folder(name: string, mode = 0o755): string {
    const path = this.path(name);
    mkdirSync(path);
    chmodSync(path, mode);
    return path;
  }

  /** Opens a file until the end of the case. */
  open(path: string, flags: number, mode = 0o644): number {
    const fd = open(path, flags, mode);
    this.#descriptors.add(fd);
    return fd;
  }

  /** Closes what `open` opened before the case ends. */
  close(fd: number): void {
    if (this.#descriptors.delete(fd)) closeSync(fd);
  }

  /** Makes a file on the other file system, until the end of the case. Its path. */
  outside(name: string, contents = ""): string {
    const path = join(this.elsewhere, name);
    writeFileSync(path, contents);
    this.defer(() => rmSync(path, { force: true }));
    return path;
  }

  /** Makes a regular file and opens it for reading and writing until the end of the case. */
  opened(name: string, contents: string | Uint8Array = ""): number {
    return this.open(this.file(name, contents), 2);
  }

  /** Does something at the end of the case, the last first. */
  defer(work: () => void): void {
    this.#deferred.push(work);
  }

  /** Lets the clock of inode times move on. */
  async tick(): Promise<void> {
    await sleep(this.facts.inodeSize > 128 ? TICK : WHOLE_SECOND);
  }

  /** Asks until `claim` holds: for what may follow a call, and has to within a second or two. */
  async soon(claim: () => void): Promise<void> {
    for (let left = 200; ; left--) {
      try {
        return claim();
      } catch (error) {
        if (left === 0) throw error;
        await sleep(10);
      }
    }
  }

  /** Undoes what was deferred, all of it whatever fails, and closes what is still open. */
  finish(): void {
    const failures: unknown[] = [];
    const attempt = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        failures.push(error);
      }
    };
    for (let work = this.#deferred.pop(); work !== undefined; work = this.#deferred.pop()) attempt(work);
    for (const fd of this.#descriptors) attempt(() => closeSync(fd));
    this.#descriptors.clear();
    if (failures.length > 0) throw failures[0];
  }
}
