/**
 * How the inodes of a mount are open. The kernel has three ways (fs/fuse/iomode.c): through its page cache, directly to the
 * server, and passed through to a backing file. Data of one inode must not be in two caches, so cached opens and passthrough
 * opens exclude each other, and all passthrough opens of an inode have one backing file. Where a reply to OPEN breaks these
 * rules the kernel fails the open with EIO and does not say why; here such a reply is refused before, with a reason.
 */
import { Errno, LinuxError } from "@bulkhead/linux";
import type { View } from "@bulkhead/linux/struct";
import { Fopen } from "../protocol/flags.js";
import type { FuseOpenOut } from "../protocol/structs.js";
import type { BackingFiles } from "./files.js";

/** The reply of OPEN, CREATE or TMPFILE. */
export type OpenReply = View<typeof FuseOpenOut>;

/** How an inode is open: `direct` alone shares no data with anybody, and goes with both others. */
export type OpenMode = "none" | "cached" | "direct" | "passthrough";

const COMPANIONS = Fopen.PASSTHROUGH | Fopen.DIRECT_IO | Fopen.PARALLEL_DIRECT_WRITES | Fopen.NOFLUSH;

/** Opens of one inode that were answered and not yet released. */
interface InodeOpens {
  cached: number;
  direct: number;
  passthrough: number;
  /** The backing file's id while `passthrough` > 0. */
  backing: number;
}

/**
 * Fills in replies, by the rules, and knows from RELEASE what is over. The kernel ends an open just before it sends RELEASE,
 * so what is known here is never less than what the kernel holds the next reply to; at times it is a moment more, and then
 * EBUSY is answered where the kernel would have let it pass. Who can does not insist but joins what is there
 * ({@link mode}): that is always right.
 */
export class OpenModes {
  readonly #files: BackingFiles;
  readonly #log: (message: string) => void;
  readonly #inodes = new Map<number, InodeOpens>();

  /** `log` is told of each refusal, one line. */
  constructor(files: BackingFiles, log: (message: string) => void = () => {}) {
    this.#files = files;
    this.#log = log;
  }

  /** The most binding way in which `nodeid` is open. */
  mode(nodeid: number): OpenMode {
    const opens = this.#inodes.get(nodeid);
    if (opens === undefined) return "none";
    if (opens.passthrough > 0) return "passthrough";
    return opens.cached > 0 ? "cached" : "direct";
  }

  /** The id behind `nodeid`, 0 if it is not open for passthrough. */
  backing(nodeid: number): number {
    return this.#inodes.get(nodeid)?.backing ?? 0;
  }

  /**
   * Passes this open through to the inode's backing file, the same for all its opens: `file` where it is the first
   * (registered, and given back after the last release), otherwise the one that is there. The reply's `open_flags` may have
   * NOFLUSH, DIRECT_IO (only mappings are passed through then) and PARALLEL_DIRECT_WRITES already.
   *
   * @returns 0; −EBUSY: the inode is open through the page cache
   * @throws {LinuxError} as `openBacking`
   * @throws {RangeError} for other flags
   */
  passThrough(nodeid: number, file: number, reply: OpenReply): number {
    const refusal = this.#refusal(nodeid, reply, 0);
    if (refusal !== 0) return refusal;
    const opens = this.#opens(nodeid);
    if (opens.passthrough === 0) {
      try {
        opens.backing = this.#files.open(file);
      } catch (error) {
        this.#drop(nodeid, opens);
        throw error;
      }
    }
    return this.#pass(opens, reply);
  }

  /**
   * As {@link passThrough}, to the backing file `id` of `BackingFiles.open`, which this open and those that join it retain:
   * one for many inodes, or another one each time the inode is opened while nobody else has it open.
   *
   * @returns 0; −EBUSY: the inode is open through the page cache or through another backing file
   * @throws {RangeError} for other flags, and for an id that is not registered
   */
  passThroughTo(nodeid: number, id: number, reply: OpenReply): number {
    const refusal = this.#refusal(nodeid, reply, id);
    if (refusal !== 0) return refusal;
    if (this.backing(nodeid) === 0) this.#files.retain(id);
    const opens = this.#opens(nodeid);
    opens.backing = id;
    return this.#pass(opens, reply);
  }

  /**
   * Answers an open without passthrough, whose `open_flags` are set: through the page cache, or directly with DIRECT_IO.
   *
   * @returns 0; −EBUSY: the inode is open for passthrough
   * @throws {RangeError} for PASSTHROUGH in the flags
   */
  open(nodeid: number, reply: OpenReply): number {
    if (reply.open_flags & Fopen.PASSTHROUGH) throw new RangeError("FOPEN_PASSTHROUGH takes a backing file");
    if (this.mode(nodeid) === "passthrough") {
      const way = reply.open_flags & Fopen.DIRECT_IO ? "directly" : "through the page cache";
      return this.#refuse(nodeid, `cannot be opened ${way} while it is open for passthrough`);
    }
    const opens = this.#opens(nodeid);
    if (reply.open_flags & Fopen.DIRECT_IO) opens.direct++;
    else opens.cached++;
    return 0;
  }

  /**
   * RELEASE of an open whose reply had `openFlags`: also where the kernel refused it with EIO, because RELEASE follows there
   * too.
   *
   * @throws {RangeError} if no open of that kind is known
   */
  release(nodeid: number, openFlags: number): void {
    const opens = this.#inodes.get(nodeid);
    const kind =
      openFlags & Fopen.PASSTHROUGH ? "passthrough" : openFlags & Fopen.DIRECT_IO ? "direct" : ("cached" as const);
    if (opens === undefined || opens[kind] === 0) throw new RangeError(`nodeid ${nodeid} has no ${kind} open`);
    opens[kind]--;
    const over = kind === "passthrough" && opens.passthrough === 0 ? opens.backing : 0;
    if (over !== 0) opens.backing = 0;
    this.#drop(nodeid, opens);
    if (over === 0) return;
    try {
      this.#files.release(over);
    } catch (error) {
      // The connection is gone, and its backing files with it; RELEASE has nobody to tell.
      if (!(error instanceof LinuxError && (error.errno === Errno.EPERM || error.errno === Errno.ENOENT))) throw error;
      this.#log(error.message);
    }
  }

  #refusal(nodeid: number, reply: OpenReply, id: number): number {
    const strange = reply.open_flags & ~COMPANIONS;
    if (strange !== 0) {
      throw new RangeError(
        `FOPEN_PASSTHROUGH does not go with open_flags 0x${strange.toString(16)} (EIO in the kernel)`,
      );
    }
    const opens = this.#inodes.get(nodeid);
    if (opens === undefined) return 0;
    if (opens.cached > 0)
      return this.#refuse(nodeid, "cannot be passed through while it is open through the page cache");
    if (id !== 0 && opens.backing !== 0 && opens.backing !== id) {
      return this.#refuse(nodeid, `is open through backing file ${opens.backing}, and cannot be through ${id} as well`);
    }
    return 0;
  }

  #refuse(nodeid: number, why: string): number {
    this.#log(`nodeid ${nodeid} ${why}`);
    return -Errno.EBUSY;
  }

  #pass(opens: InodeOpens, reply: OpenReply): number {
    opens.passthrough++;
    reply.open_flags |= Fopen.PASSTHROUGH;
    reply.backing_id = opens.backing;
    return 0;
  }

  #opens(nodeid: number): InodeOpens {
    let opens = this.#inodes.get(nodeid);
    if (opens === undefined) {
      opens = { cached: 0, direct: 0, passthrough: 0, backing: 0 };
      this.#inodes.set(nodeid, opens);
    }
    return opens;
  }

  #drop(nodeid: number, opens: InodeOpens): void {
    if (opens.cached + opens.direct + opens.passthrough === 0) this.#inodes.delete(nodeid);
  }
}
