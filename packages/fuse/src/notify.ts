import { NotificationEncoder, type NotificationValues } from "./protocol/notifications.js";
import type { Transport } from "./transport/transport.js";

/** Room for the fixed parts of any notification, and for names and lists. */
const SLACK = 64 * 1024;

/**
 * Tells the kernel what changed behind its back. Every method returns the kernel's verdict: 0, or −errno (−ENOENT where
 * the kernel has nothing cached about the object is the normal answer, −EINVAL before INIT or for a code the kernel does
 * not know).
 *
 * Each thread has its own notifier over its own transport; the serving thread may use one between requests. INVAL_ENTRY,
 * DELETE, INVAL_INODE and STORE must not be sent by a thread that still owes the answer to a request on the same inode or
 * parent: the kernel waits for locks which that request holds.
 */
export class Notifier {
  readonly #transport: Transport;
  readonly #encoder: NotificationEncoder;

  /** `maxData`: the most bytes one `store` carries. */
  constructor(transport: Transport, maxData = 1 << 20) {
    this.#transport = transport;
    this.#encoder = new NotificationEncoder(new Uint8Array(SLACK + maxData));
  }

  /** A polled file is ready; `kh` as in poll_in. */
  poll(khLo: number, khHi: number): number {
    return this.#send(this.#encoder.poll(khLo, khHi));
  }

  /** Attributes of `nodeid` expired, and its cached pages in the range (offset < 0: none; length ≤ 0: to the end). */
  invalInode(nodeid: number, offset = 0, length = 0): number {
    return this.#send(this.#encoder.invalInode(nodeid, offset, length));
  }

  /** The name in `parent` is gone or changed. `flags`: `InvalEntryFlag`. */
  invalEntry(parent: number, name: Uint8Array, flags = 0): number {
    return this.#send(this.#encoder.invalEntry(parent, name, flags));
  }

  /** The name in `parent` was removed, and `child` with it; watchers are told. */
  delete(parent: number, child: number, name: Uint8Array): number {
    return this.#send(this.#encoder.delete(parent, child, name));
  }

  /** Puts `data` into the page cache of `nodeid`. @throws {RangeError} for more than `maxData` bytes */
  store(nodeid: number, offset: number, data: Uint8Array): number {
    return this.#send(this.#encoder.store(nodeid, offset, data));
  }

  /** Asks for cached data; the answer is a NOTIFY_REPLY whose `unique` is the one given here. */
  retrieve(uniqueLo: number, uniqueHi: number, nodeid: number, offset: number, size: number): number {
    return this.#send(this.#encoder.retrieve(uniqueLo, uniqueHi, nodeid, offset, size));
  }

  /** Has every request that was read and not answered sent again. For a server that took over a connection. */
  resend(): number {
    return this.#send(this.#encoder.resend());
  }

  /** All cached entries are invalid (Linux 6.16). */
  incEpoch(): number {
    return this.#send(this.#encoder.incEpoch());
  }

  /** Drops unused entries of these inodes (Linux 6.18). @throws {RangeError} for a list that does not fit */
  prune(nodeids: readonly number[]): number {
    return this.#send(this.#encoder.prune(nodeids));
  }

  /** A registered device's own page cache of a range holds nothing that is to be believed, or written. */
  iomapDevInval(values: NotificationValues<"IOMAP_DEV_INVAL">): number {
    return this.#send(this.#encoder.iomapDevInval(values));
  }

  /** Puts mappings into an inode's cache, for reading and for writing. Also from the handler of a request on that inode. */
  iomapUpsertMappings(values: NotificationValues<"IOMAP_UPSERT_MAPPINGS">): number {
    return this.#send(this.#encoder.iomapUpsertMappings(values));
  }

  /** Removes mappings from an inode's cache, before what they name may be used for something else. */
  iomapInvalMappings(values: NotificationValues<"IOMAP_INVAL_MAPPINGS">): number {
    return this.#send(this.#encoder.iomapInvalMappings(values));
  }

  #send(length: number): number {
    // The kernel returns what a notification's handler returned where that is an error, and the length otherwise.
    return Math.min(0, this.#transport.write(this.#encoder.bytes, length));
  }
}
