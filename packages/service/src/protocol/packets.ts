/**
 * Every packet of the protocol, declared once, as data; reading, writing and size checks derive from the rows. Integers are
 * unsigned and big-endian; a text runs to the end of the packet and ends with a NUL. The first word is the packet's magic,
 * four letters.
 */

/** Version of the protocol that both ends here speak. */
export const PROTOCOL_VERSION = 1;

/** Bytes that a helper takes as a packet: the magic at least. */
export const SMALLEST_PACKET = 4;
export const LARGEST_PACKET = 65_536;

/** Send buffer that both ends must have, in bytes: a fixed part, a path, a NUL. */
export const SMALLEST_SEND_BUFFER = 20 + 4096 + 1;

export interface IntegerField {
  readonly offset: number;
  readonly size: 2 | 4;
  /** Padding: anything but 0 is malformed, and callers never see it. */
  readonly zero?: true;
}
export type PacketFields = Readonly<Record<string, IntegerField>>;
type Shown<F extends PacketFields> = { [K in keyof F]: F[K] extends { zero: true } ? never : K }[keyof F];
export type PacketValues<F extends PacketFields> = { readonly [K in Shown<F>]: number };

export interface PacketRow<F extends PacketFields = PacketFields, T extends boolean = boolean> {
  /** The first word. */
  readonly magic: number;
  readonly from: "helper" | "server";
  /** Bytes before the text; the whole packet, if it has none. */
  readonly size: number;
  readonly fields: F;
  readonly text: T;
  /** How the other end answers. */
  readonly answer: "HELLO_REPLY" | "FILE" | "REPLY" | "none";
}

const u16 = <const O extends number>(offset: O) => ({ offset, size: 2 }) as const;
const u32 = <const O extends number>(offset: O) => ({ offset, size: 4 }) as const;
const zero16 = <const O extends number>(offset: O) => ({ offset, size: 2, zero: true }) as const;

/** The word that four letters make. */
export function magicOf(letters: string): number {
  const bytes = new TextEncoder().encode(letters);
  if (bytes.length !== 4) throw new TypeError(`a magic has four letters, unlike ${letters}`);
  return new DataView(bytes.buffer).getUint32(0);
}

function row<const F extends PacketFields, const T extends boolean = false>(
  letters: string,
  from: "helper" | "server",
  answer: PacketRow["answer"],
  size: number,
  fields: F,
  text?: T,
): PacketRow<F, T> {
  let end = 4;
  for (const [name, field] of Object.entries(fields)) {
    // No hidden padding: each field starts where its predecessor ends, aligned to its size.
    if (field.offset !== end || field.offset % field.size !== 0) throw new TypeError(`${letters}.${name}: bad offset`);
    end += field.size;
  }
  if (end !== size) throw new TypeError(`${letters}: fields end at ${end}, not at ${size}`);
  return Object.freeze({ magic: magicOf(letters), from, answer, size, fields, text: (text ?? false) as T });
}

const FILE_REQUEST = {
  /** `O_*`, in the numbering of the host. */
  openFlags: u32(4),
  createMode: u32(8),
  /** {@link FileRequestFlag} */
  requestFlags: u32(12),
  /** Of a block device, to be set before use, in bytes; 0 leaves it. */
  blockSize: u32(16),
} as const;

export const packets = {
  HELLO: row("SAFT", "helper", "HELLO_REPLY", 12, { minVersion: u16(4), maxVersion: u16(6), flags: u32(8) }),
  HELLO_REPLY: row("LAST", "server", "FILE", 8, { version: u16(4), padding: zero16(6) }),
  /** The only packet that carries a descriptor: exactly one, if `error` is 0. */
  FILE: row("FILE", "helper", "none", 8, { error: u32(4) }, true),
  OPEN: row("OPEN", "server", "FILE", 20, FILE_REQUEST, true),
  OPEN_BLOCK_DEVICE: row("BDEV", "server", "FILE", 20, FILE_REQUEST, true),
  FSOPEN: row("TYPE", "server", "REPLY", 8, { flags: u32(4) }),
  SOURCE: row("NAME", "server", "REPLY", 4, {}, true),
  OPTIONS: row("OPTS", "server", "REPLY", 4, {}, true),
  TABLE_OPTIONS: row("MTAB", "server", "REPLY", 4, {}, true),
  MOUNT_POINT: row("MNTP", "server", "REPLY", 8, { expectedFormat: u16(4), padding: zero16(6) }, true),
  MOUNT: row("DOIT", "server", "REPLY", 8, { msFlags: u32(4) }),
  GOODBYE: row("BYEE", "server", "none", 8, { exitCode: u32(4) }),
  REPLY: row("REPL", "helper", "none", 8, { error: u32(4) }),
  /** Proposed, not in version 1: only sent to a helper that is known to understand it. */
  IOMAP: row("IOMA", "server", "REPLY", 8, { mode: u16(4), padding: zero16(6) }),
  /** Ours alone: only sent to a helper that says that it stays (KEEPER_OPTION). `what`: a `KeeperFile`. */
  KEEP: row("KEEP", "server", "FILE", 8, { what: u32(4) }),
} as const;

export type PacketName = keyof typeof packets;

/** Names on the two FILE packets that a helper sends unasked. */
export const ARGUMENTS_FILE = "argv";
export const FUSE_DEVICE_FILE = "fusedev";
/** The path in the answer to a file request whose own could not be read. */
export const UNREADABLE_PATH = "?";

/** What a keeper has for its servers. LINE: a stream socket to it; MEMORY: what outlives them. Not bits. */
export const KeeperFile = { LINE: 1, MEMORY: 2 } as const;

/** The path in the answer to KEEP. */
export function keeperFileName(what: number): string {
  return what === KeeperFile.LINE ? "line" : what === KeeperFile.MEMORY ? "memory" : UNREADABLE_PATH;
}

/** What the caller of a helper may do; advice, the helper checks again. */
export const HelloFlag = { ALLOW_OTHER: 1, FUSEBLK: 2 } as const;

/**
 * QUIET: no message about it on the caller's standard error. TRY_LOOP (proposed; its bit in the patch is QUIET's by now): a
 * loop device for a regular file.
 */
export const FileRequestFlag = { QUIET: 1, TRY_LOOP: 2 } as const;

/** FUSEBLK: mount a block device, as `fuseblk`. */
export const FsopenFlag = { FUSEBLK: 1 } as const;

/** What a mount point is to be. Not bits. */
export const MountPointFormat = { ANY: 0, DIRECTORY: 0x4000, REGULAR: 0x8000 } as const;

/** OPTIONAL: the answer is 0 whatever the kernel said. Not bits. */
export const IomapMode = { OPTIONAL: 0x503f, MANDATORY: 0x5021 } as const;

/** A word of `-o` by which a helper tells a server that it understands the extensions (IOMAP, TRY_LOOP). */
export const EXTENSIONS_OPTION = "x-bulkhead.extensions";

/** A word of `-o` by which a helper tells a server that it stays for the mount's life, and understands KEEP. */
export const KEEPER_OPTION = "x-bulkhead.keeper";
