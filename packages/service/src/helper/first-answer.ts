import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isOnDevice, type MountInfo, setDirtyLimit, setReadAhead } from "@bulkhead/fuse";

/** What the kernel's cache does for a mount; only root can set it. */
export interface CacheSettings {
  /** KiB that are read ahead; default as the server and the kernel agree. */
  readonly readAheadKb?: number;
  /** Bytes of written pages that may wait in the kernel's cache, see `setDirtyLimit`; default FUSE's 1 %. */
  readonly dirtyBytes?: number;
}

/** More KiB than an answer to INIT can name, in bytes and 32 bits. */
const BEYOND = 2 ** 23;
const PATIENCE = 5_000;
const LOOK = 2;

/**
 * Sees when a mount's first request, INIT, was answered, without asking the mount anything: the kernel then lowers the read-ahead
 * to what the answer says, so one that no answer can say is set before. A read-ahead that is to stay can only be set after that.
 */
export class FirstAnswer {
  readonly #info: MountInfo;
  readonly #default: number | undefined;

  /** To be made just after the mount, before the server knows of it. */
  constructor(info: MountInfo) {
    this.#info = info;
    const now = this.#readAhead();
    this.#default = now !== undefined && setReadAhead(info, BEYOND) ? now : undefined;
  }

  /** Waits for the answer, up to 5 s, and then sets what is asked. Whether it came. */
  async settle({ readAheadKb, dirtyBytes }: CacheSettings): Promise<boolean> {
    const standard = this.#default;
    if (standard === undefined) return false;
    let now = this.#readAhead();
    for (let waited = 0; now === BEYOND && waited < PATIENCE; waited += LOOK) {
      await sleep(LOOK);
      now = this.#readAhead();
    }
    if (now === undefined) return false; // unmounted meanwhile
    setReadAhead(this.#info, readAheadKb ?? Math.min(now, standard));
    if (dirtyBytes !== undefined) setDirtyLimit(this.#info, dirtyBytes);
    return now !== BEYOND;
  }

  /** In KiB; undefined without sysfs, or without the mount. */
  #readAhead(): number | undefined {
    const { major, minor } = this.#info;
    try {
      const suffix = isOnDevice(this.#info) ? "-fuseblk" : "";
      return Number(readFileSync(`/sys/class/bdi/${major}:${minor}${suffix}/read_ahead_kb`, "latin1"));
    } catch {
      return undefined;
    }
  }
}
