/** Keeping within the limit of open files: each inode that the kernel remembers holds a descriptor. */
import { readFileSync } from "node:fs";
import type { Services } from "@bulkhead/fuse";
import { Errno, errnoName } from "@bulkhead/linux";
import type { Inodes } from "./inodes.js";

/** Descriptors that are not inodes': Node's own, open files and directories. */
const RESERVE = 256;
/** Descriptors of a small limit that inodes may not have all the same. */
const SHARE = 0.5;

/** How many inodes the limit of open files leaves room for. */
export function roomForInodes(): number {
  const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  const limit = line?.[1] === "unlimited" ? Number.POSITIVE_INFINITY : Number(line?.[1] ?? 1024);
  return Math.max(limit * SHARE, limit - 4 * RESERVE);
}

/**
 * Asks the kernel to forget the half that it has known longest, when there are more than `room`: those of them that are not in
 * use come back as FORGET. Linux 6.18; older kernels keep them until memory is short.
 */
export class Pruning {
  readonly #inodes: Inodes;
  readonly #services: Services;
  readonly #room: number;
  /** More than these are too many: `room`, or somewhat more than there were when the kernel was asked last. */
  #threshold: number;
  #due = false;
  #possible = true;

  constructor(inodes: Inodes, services: Services, room: number) {
    this.#inodes = inodes;
    this.#services = services;
    this.#room = room;
    this.#threshold = room;
  }

  /** Whether there is no room for what nobody has asked for. */
  get short(): boolean {
    return this.#inodes.count >= this.#room;
  }

  /** To be called when an inode was added. The notification waits until no request is unanswered. */
  check(): void {
    const { count } = this.#inodes;
    if (count <= this.#room) this.#threshold = this.#room;
    if (count <= this.#threshold || this.#due || !this.#possible) return;
    this.#threshold = count + this.#room / 16;
    this.#due = true;
    this.#services.timers.after(0, () => {
      this.#due = false;
      this.#prune();
    });
  }

  #prune(): void {
    const nodeids = this.#inodes.oldest(Math.ceil(this.#inodes.count / 2));
    for (let from = 0; from < nodeids.length; from += 4096) {
      const result = this.#services.notifier().prune(nodeids.slice(from, from + 4096));
      if (result !== -Errno.EINVAL) continue;
      this.#possible = false;
      this.#services.log(
        `the kernel cannot be asked to forget (${errnoName(result)}; Linux 6.18): a higher limit of open files helps`,
      );
      return;
    }
  }
}
