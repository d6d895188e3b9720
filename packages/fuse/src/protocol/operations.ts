/**
 * One row per opcode. Everything that depends on the operation derives from its row: decoding, encoding, reply lengths,
 * handler types, names in logs and statistics, and what ENOSYS means.
 *
 * Request: `struct`, then `names` (each NUL-terminated), then `data`. Reply: `out` structures, then `tail`.
 */
import type { AnyStruct, View } from "@bulkhead/linux/struct";
import type { Context } from "./context.js";
import type { DirentPlusWriter, DirentWriter } from "./dirents.js";
import type { InitFlagName } from "./flags.js";
import type { StructList } from "./list.js";
import * as s from "./structs.js";

/** Data after the names: as many bytes as the request's field `length` says. */
export interface BytesPart {
  readonly kind: "bytes";
  readonly length: string;
}
/** Data after the names: as many structures as the request's field `length` says. */
export interface ListPart<S extends AnyStruct> {
  readonly kind: "list";
  readonly length: string;
  readonly struct: S;
}
/**
 * The variable last part of a reply, at most `limit` bytes (a field of the request, or a number).
 * - `bytes`: a window the handler fills; its result is the length.
 * - `exact`: like `bytes`, but a window shorter than asked for would read as end of file, so it is refused.
 * - `value`: an xattr value; with a limit of 0 the result is the length wanted and the reply is getxattr_out; a result
 *   above the limit becomes ERANGE. The handler returns the full length in any case and copies only what fits.
 * - `dirents`, `direntsplus`: directory records.
 * - `short`: no window, but the structures before may be cut short.
 */
export interface Tail {
  readonly kind: "bytes" | "exact" | "value" | "dirents" | "direntsplus" | "short";
  readonly limit: string | number;
}

export interface Row {
  readonly opcode: number;
  readonly struct: AnyStruct | undefined;
  readonly names: readonly string[];
  readonly data: BytesPart | ListPart<AnyStruct> | undefined;
  readonly out: readonly AnyStruct[];
  readonly tail: Tail | undefined;
  /** `never`: no reply may be written. `optional`: success is silent, an errno is replied. */
  readonly answer: "always" | "optional" | "never";
  /**
   * What the kernel makes of −ENOSYS. `sticky`: the operation is not sent again on this connection, so an implemented
   * handler must not return it for one object's sake. `call`: only this call fails.
   */
  readonly enosys: "sticky" | "call";
  /** The request's structure may arrive in any length from this on; missing bytes read as 0, further ones are ignored. */
  readonly shortest: number | undefined;
  /** The request's structure has only `size` bytes unless `flag` was negotiated; missing bytes read as 0. */
  readonly without: { readonly flag: InitFlagName; readonly size: number } | undefined;
}
type Spec = Partial<Omit<Row, "opcode">>;
type Defaults = {
  struct: undefined;
  names: readonly [];
  data: undefined;
  out: readonly [];
  tail: undefined;
  answer: "always";
  enosys: "call";
  shortest: undefined;
  without: undefined;
};
type Filled<S extends Spec> = { readonly opcode: number } & {
  readonly [K in keyof Defaults]: K extends keyof S ? S[K] : Defaults[K];
};

const DEFAULTS: Defaults = {
  struct: undefined,
  names: [],
  data: undefined,
  out: [],
  tail: undefined,
  answer: "always",
  enosys: "call",
  shortest: undefined,
  without: undefined,
};

function row<const S extends Spec>(opcode: number, spec: S): Filled<S> {
  // Spread of the defaults and the spec is what Filled<S> says; the compiler does not follow it.
  return Object.freeze({ opcode, ...DEFAULTS, ...spec }) as unknown as Filled<S>;
}
const bytesOf = <const F extends string>(length: F) => ({ kind: "bytes", length }) as const;
const listOf = <S extends AnyStruct>(struct: S, length: string) => ({ kind: "list", length, struct }) as const;
const tail = <const K extends Tail["kind"]>(kind: K, limit: string | number) => ({ kind, limit }) as const;

const NAME = ["name"] as const;
const ENTRY = [s.FuseEntryOut] as const;
const CREATED = [s.FuseEntryOut, s.FuseOpenOut] as const;

export const operations = {
  LOOKUP: row(1, { names: NAME, out: ENTRY }),
  FORGET: row(2, { struct: s.FuseForgetIn, answer: "never" }),
  GETATTR: row(3, { struct: s.FuseGetattrIn, out: [s.FuseAttrOut] }),
  SETATTR: row(4, { struct: s.FuseSetattrIn, out: [s.FuseAttrOut] }),
  READLINK: row(5, { tail: tail("bytes", 4095) }),
  SYMLINK: row(6, { names: ["name", "target"], out: ENTRY }),
  MKNOD: row(8, { struct: s.FuseMknodIn, names: NAME, out: ENTRY }),
  MKDIR: row(9, { struct: s.FuseMkdirIn, names: NAME, out: ENTRY }),
  UNLINK: row(10, { names: NAME }),
  RMDIR: row(11, { names: NAME }),
  RENAME: row(12, { struct: s.FuseRenameIn, names: ["name", "newname"] }),
  LINK: row(13, { struct: s.FuseLinkIn, names: ["newname"], out: ENTRY, enosys: "sticky" }),
  OPEN: row(14, { struct: s.FuseOpenIn, out: [s.FuseOpenOut], enosys: "sticky" }),
  READ: row(15, { struct: s.FuseReadIn, tail: tail("exact", "size") }),
  WRITE: row(16, { struct: s.FuseWriteIn, data: bytesOf("size"), out: [s.FuseWriteOut] }),
  STATFS: row(17, { out: [s.FuseStatfsOut] }),
  RELEASE: row(18, { struct: s.FuseReleaseIn }),
  FSYNC: row(20, { struct: s.FuseFsyncIn, enosys: "sticky" }),
  SETXATTR: row(21, {
    struct: s.FuseSetxattrIn,
    names: NAME,
    data: bytesOf("size"),
    enosys: "sticky",
    without: { flag: "SETXATTR_EXT", size: 8 },
  }),
  GETXATTR: row(22, { struct: s.FuseGetxattrIn, names: NAME, tail: tail("value", "size"), enosys: "sticky" }),
  LISTXATTR: row(23, { struct: s.FuseGetxattrIn, tail: tail("value", "size"), enosys: "sticky" }),
  REMOVEXATTR: row(24, { names: NAME, enosys: "sticky" }),
  FLUSH: row(25, { struct: s.FuseFlushIn, enosys: "sticky" }),
  /** Negotiated by the session itself; a handler sees the reply it made and may refuse with an errno. */
  INIT: row(26, { struct: s.FuseInitIn, out: [s.FuseInitOut], tail: tail("short", 0), shortest: 8 }),
  OPENDIR: row(27, { struct: s.FuseOpenIn, out: [s.FuseOpenOut], enosys: "sticky" }),
  READDIR: row(28, { struct: s.FuseReadIn, tail: tail("dirents", "size") }),
  RELEASEDIR: row(29, { struct: s.FuseReleaseIn }),
  FSYNCDIR: row(30, { struct: s.FuseFsyncIn, enosys: "sticky" }),
  GETLK: row(31, { struct: s.FuseLkIn, out: [s.FuseLkOut] }),
  SETLK: row(32, { struct: s.FuseLkIn }),
  SETLKW: row(33, { struct: s.FuseLkIn }),
  ACCESS: row(34, { struct: s.FuseAccessIn, enosys: "sticky" }),
  CREATE: row(35, { struct: s.FuseCreateIn, names: NAME, out: CREATED, enosys: "sticky" }),
  INTERRUPT: row(36, { struct: s.FuseInterruptIn, answer: "optional", enosys: "sticky" }),
  BMAP: row(37, { struct: s.FuseBmapIn, out: [s.FuseBmapOut], enosys: "sticky" }),
  DESTROY: row(38, {}),
  IOCTL: row(39, {
    struct: s.FuseIoctlIn,
    data: bytesOf("in_size"),
    out: [s.FuseIoctlOut],
    tail: tail("bytes", "out_size"),
  }),
  POLL: row(40, { struct: s.FusePollIn, out: [s.FusePollOut], enosys: "sticky" }),
  NOTIFY_REPLY: row(41, { struct: s.FuseNotifyRetrieveIn, data: bytesOf("size"), answer: "never" }),
  BATCH_FORGET: row(42, {
    struct: s.FuseBatchForgetIn,
    data: listOf(s.FuseForgetOne, "count"),
    answer: "never",
  }),
  FALLOCATE: row(43, { struct: s.FuseFallocateIn, enosys: "sticky" }),
  READDIRPLUS: row(44, { struct: s.FuseReadIn, tail: tail("direntsplus", "size") }),
  RENAME2: row(45, { struct: s.FuseRename2In, names: ["name", "newname"], enosys: "sticky" }),
  LSEEK: row(46, { struct: s.FuseLseekIn, out: [s.FuseLseekOut], enosys: "sticky" }),
  COPY_FILE_RANGE: row(47, { struct: s.FuseCopyFileRangeIn, out: [s.FuseWriteOut], enosys: "sticky" }),
  SETUPMAPPING: row(48, { struct: s.FuseSetupmappingIn }),
  REMOVEMAPPING: row(49, { struct: s.FuseRemovemappingIn, data: listOf(s.FuseRemovemappingOne, "count") }),
  SYNCFS: row(50, { struct: s.FuseSyncfsIn, enosys: "sticky" }),
  TMPFILE: row(51, { struct: s.FuseCreateIn, names: NAME, out: CREATED, enosys: "sticky" }),
  STATX: row(52, { struct: s.FuseStatxIn, out: [s.FuseStatxOut], enosys: "sticky" }),
  COPY_FILE_RANGE_64: row(53, {
    struct: s.FuseCopyFileRangeIn,
    out: [s.FuseCopyFileRangeOut],
    enosys: "sticky",
  }),
  FREEZE_FS: row(4089, { struct: s.FuseFreezefsIn }),
  UNFREEZE_FS: row(4090, {}),
  SHUTDOWN_FS: row(4091, { struct: s.FuseShutdownfsIn }),
  IOMAP_CONFIG: row(4092, { struct: s.FuseIomapConfigIn, out: [s.FuseIomapConfigOut], tail: tail("short", 0) }),
  IOMAP_IOEND: row(4093, { struct: s.FuseIomapIoendIn, out: [s.FuseIomapIoendOut], enosys: "sticky" }),
  IOMAP_BEGIN: row(4094, { struct: s.FuseIomapBeginIn, out: [s.FuseIomapBeginOut] }),
  IOMAP_END: row(4095, { struct: s.FuseIomapEndIn, enosys: "sticky" }),
  /** The window takes `DEVNAME=…\0` and further NUL-terminated settings. */
  CUSE_INIT: row(4096, { struct: s.CuseInitIn, out: [s.CuseInitOut], tail: tail("bytes", 4096) }),
} as const satisfies Readonly<Record<string, Row>>;

export type Operations = typeof operations;
export type OperationName = keyof Operations;

type StructArg<R extends Row> = R["struct"] extends AnyStruct ? [request: View<R["struct"]>] : [];
type NameArgs<N extends readonly string[]> = { [I in keyof N]: Uint8Array };
type DataArg<D> =
  D extends ListPart<infer S> ? [list: StructList<S>] : D extends { kind: "bytes" } ? [data: Uint8Array] : [];
type OutArgs<O extends readonly AnyStruct[]> = { [I in keyof O]: View<O[I]> };
interface TailArgs {
  bytes: [window: Uint8Array];
  exact: [window: Uint8Array];
  value: [window: Uint8Array];
  dirents: [entries: DirentWriter];
  direntsplus: [entries: DirentPlusWriter];
  short: [];
}
type TailArg<T> = T extends { kind: infer K extends keyof TailArgs } ? TailArgs[K] : [];

/** What a handler is given after the context, in wire order: the request's parts, then the reply's. */
export type HandlerArgs<K extends OperationName> = [
  ...StructArg<Operations[K]>,
  ...NameArgs<Operations[K]["names"]>,
  ...DataArg<Operations[K]["data"]>,
  ...OutArgs<Operations[K]["out"]>,
  ...TailArg<Operations[K]["tail"]>,
];

/**
 * Performs one operation. Returns a negative errno, or 0, or – where the reply has a variable last part – its length in
 * bytes (directory records are counted by their writer: return 0), or {@link DEFERRED}. Every argument is reused by the
 * next request: nothing may be kept. Reply structures arrive zeroed.
 */
export type Handler<K extends OperationName> = (context: Context, ...args: HandlerArgs<K>) => number;

/** A missing handler is ENOSYS. */
export type Handlers = Partial<{ [K in OperationName]: Handler<K> }>;

/** All rows with their names, in opcode order. */
export const rows: readonly (readonly [OperationName, Row])[] = Object.entries(operations) as [OperationName, Row][];
const byOpcode: ReadonlyMap<number, OperationName> = new Map(rows.map(([name, { opcode }]) => [opcode, name]));

/** The name for logs; an unknown opcode is its number. */
export function operationName(opcode: number): OperationName | `opcode ${number}` {
  return byOpcode.get(opcode) ?? `opcode ${opcode}`;
}

/** Lengths a successful reply may have after the out header (reference: reply length rules). */
export interface ReplyBounds {
  readonly least: number;
  readonly most: number;
}

/** `limit`: the tail's limit in this request, 0 if it has none. */
export function replyBounds(row: Row, limit: number): ReplyBounds {
  const fixed = fixedReply(row);
  if (row.tail === undefined) return { least: fixed, most: fixed };
  if (row.tail.kind === "short") return { least: 0, most: fixed };
  if (row.tail.kind === "value" && limit === 0) {
    return { least: s.FuseGetxattrOut.size, most: s.FuseGetxattrOut.size };
  }
  return { least: fixed, most: fixed + limit };
}

/** Sum of the reply's fixed structures. */
export function fixedReply(row: Row): number {
  return row.out.reduce((sum, { size }) => sum + size, 0);
}
