/**
 * Notifications: messages a server sends of its own accord, only after INIT. The result of writing one to the device is
 * the kernel's verdict. Never send INVAL_ENTRY, DELETE, INVAL_INODE or STORE from a thread that still owes a reply to a
 * request on the same inode or parent: the kernel may wait for that reply.
 */
import { type AnyStruct, struct, type Values, writeU64 } from "@bulkhead/linux/struct";
import { encodeHeader } from "./reply.js";
import * as s from "./structs.js";

const Nothing = struct("none", 0, {});

/** One row per notify code: the structure after the out header, and what follows it. */
export const notifications = {
  POLL: { code: 1, struct: s.FuseNotifyPollWakeupOut, tail: undefined },
  INVAL_INODE: { code: 2, struct: s.FuseNotifyInvalInodeOut, tail: undefined },
  INVAL_ENTRY: { code: 3, struct: s.FuseNotifyInvalEntryOut, tail: "name" },
  STORE: { code: 4, struct: s.FuseNotifyStoreOut, tail: "data" },
  RETRIEVE: { code: 5, struct: s.FuseNotifyRetrieveOut, tail: undefined },
  DELETE: { code: 6, struct: s.FuseNotifyDeleteOut, tail: "name" },
  RESEND: { code: 7, struct: Nothing, tail: undefined },
  INC_EPOCH: { code: 8, struct: Nothing, tail: undefined },
  PRUNE: { code: 9, struct: s.FuseNotifyPruneOut, tail: "nodeids" },
  IOMAP_DEV_INVAL: { code: 99, struct: s.FuseIomapDevInvalOut, tail: undefined },
  IOMAP_UPSERT_MAPPINGS: { code: 100, struct: s.FuseIomapUpsertMappingsOut, tail: undefined },
  IOMAP_INVAL_MAPPINGS: { code: 101, struct: s.FuseIomapInvalMappingsOut, tail: undefined },
} as const satisfies Readonly<
  Record<string, { code: number; struct: AnyStruct; tail: "name" | "data" | "nodeids" | undefined }>
>;
export type NotificationName = keyof typeof notifications;

/** The fields of a notification, before its name or data. */
export type NotificationValues<N extends NotificationName> = Values<(typeof notifications)[N]["struct"]>;

const HEADER = s.FuseOutHeader.size;
const NODEID = 8;

/**
 * Encodes notifications at the start of a buffer it is given. Every method returns the message's exact length and throws
 * RangeError if the buffer is too small for it.
 */
export class NotificationEncoder {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** A file polled with SCHEDULE_NOTIFY is ready. `kh` as in poll_in. */
  poll(khLo: number, khHi: number): number {
    return this.#encode("POLL", { khLo, khHi });
  }

  /**
   * Attributes and ACLs of an inode have expired, and its cached pages of [offset, offset + length): a negative offset
   * spares all pages, a length ≤ 0 means to the end.
   */
  invalInode(nodeid: number, offset: number, length: number): number {
    return this.#encode("INVAL_INODE", { ino: nodeid, off: offset, len: length });
  }

  /** A name in a directory is gone or changed. `flags`: `InvalEntryFlag`. */
  invalEntry(parent: number, name: Uint8Array, flags = 0): number {
    return this.#encode("INVAL_ENTRY", { parent, namelen: name.length, flags }, name, 1);
  }

  /** Puts data into an inode's page cache; extends its size if beyond the end. */
  store(nodeid: number, offset: number, data: Uint8Array): number {
    return this.#encode("STORE", { nodeid, offset, size: data.length }, data);
  }

  /** Asks for cached data; the answer is a NOTIFY_REPLY request whose unique is the one given here. */
  retrieve(notifyUniqueLo: number, notifyUniqueHi: number, nodeid: number, offset: number, size: number): number {
    const notify_uniqueLo = notifyUniqueLo;
    const notify_uniqueHi = notifyUniqueHi;
    return this.#encode("RETRIEVE", { notify_uniqueLo, notify_uniqueHi, nodeid, offset, size });
  }

  /** A name was removed and its inode `child` with it: watchers are told, unlike with INVAL_ENTRY. */
  delete(parent: number, child: number, name: Uint8Array): number {
    return this.#encode("DELETE", { parent, child, namelen: name.length }, name, 1);
  }

  /** Sends all requests again that were read and not answered; bit 63 of their ids is set. */
  resend(): number {
    return this.#encode("RESEND", {});
  }

  /** All cached entries become invalid. */
  incEpoch(): number {
    return this.#encode("INC_EPOCH", {});
  }

  /** Drops unused entries of these inodes. */
  prune(nodeids: readonly number[]): number {
    const length = this.#encode("PRUNE", { count: nodeids.length }, undefined, NODEID * nodeids.length);
    const first = length - NODEID * nodeids.length;
    for (const [index, nodeid] of nodeids.entries()) writeU64(this.#view, first + NODEID * index, nodeid);
    return length;
  }

  /** Metadata blocks of a registered device may become file data: drops the device's own page cache of the range. */
  iomapDevInval(values: NotificationValues<"IOMAP_DEV_INVAL">): number {
    return this.#encode("IOMAP_DEV_INVAL", values);
  }

  /** Puts mappings into an inode's mapping cache. */
  iomapUpsertMappings(values: NotificationValues<"IOMAP_UPSERT_MAPPINGS">): number {
    return this.#encode("IOMAP_UPSERT_MAPPINGS", values);
  }

  /** Removes mappings from an inode's mapping cache; a length of 2^64 − 1 (lengthLo, lengthHi) means to the end. */
  iomapInvalMappings(values: NotificationValues<"IOMAP_INVAL_MAPPINGS">): number {
    return this.#encode("IOMAP_INVAL_MAPPINGS", values);
  }

  /** Header, structure, `tail`, and `extra` zero bytes. */
  #encode<N extends NotificationName>(name: N, values: NotificationValues<N>, tail?: Uint8Array, extra = 0): number {
    const { code, struct: body } = notifications[name];
    const end = HEADER + body.size + (tail?.length ?? 0);
    if (end + extra > this.bytes.length) throw new RangeError(`${name} takes ${end + extra} bytes`);
    // `values` are those of this row's structure: the two are computed from the same N.
    (body.write as (view: DataView, at: number, values: NotificationValues<N>) => void)(this.#view, HEADER, values);
    if (tail !== undefined) this.bytes.set(tail, HEADER + body.size);
    this.bytes.fill(0, end, end + extra);
    return encodeHeader(this.#view, 0, 0, code, end + extra - HEADER);
  }
}
