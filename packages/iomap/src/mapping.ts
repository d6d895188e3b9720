/**
 * Mappings: where a range of a file lies. The numbers are those of fuse-iomap's wire format, so that the same mapping
 * serves a host in this process, one at the end of a socket, and a kernel.
 */
import { EUCLEAN } from "./errno.js";

/** What a mapping says of its range. */
export const MappingType = {
  /** No space; reads as zero. */
  hole: 0,
  /** Space is reserved, the data is only in the host's cache. */
  delalloc: 1,
  /** Data at `addr` on device `dev`. */
  mapped: 2,
  /** Space is allocated, and reads as zero until an ioend says that it was written. */
  unwritten: 3,
  /** The data lives in the metadata; the server reads and writes it. */
  inline: 4,
  /** Upsert only: leave this fork alone. */
  noCache: 253,
  /** Begin reply only: the server has put the mapping into the cache; look again. */
  retryCache: 254,
  /** Write slot only: writes go where the read mapping says. */
  pureOverwrite: 255,
} as const;

/** Flags of a mapping; a server may set bits 0 to 7. */
export const MappingFlag = {
  new: 0x1,
  dirty: 0x2,
  shared: 0x4,
  merged: 0x8,
  boundary: 0x10,
  anonymousWrite: 0x20,
  atomicBio: 0x40,
  wantEnd: 0x80,
  sizeChanged: 0x100,
  stale: 0x200,
} as const;

const SERVER_FLAGS = 0xff;

/** What a begin is for. */
export const Operation = {
  read: 0,
  write: 0x1,
  zero: 0x2,
  report: 0x4,
  fault: 0x8,
  direct: 0x10,
  nowait: 0x20,
  overwriteOnly: 0x40,
  unshare: 0x80,
  dax: 0x100,
  atomic: 0x200,
  dontCache: 0x400,
  swapfile: 0x4000_0000,
  writeback: 0x8000_0000,
} as const;

/** Operations that change the file: their mapping is in the write slot. */
export const WRITING = Operation.write | Operation.zero | Operation.unshare | Operation.writeback;

/** What an ioend is about. */
export const IoendFlag = {
  /** Data went to a new place: the write mapping replaces the read mapping. */
  shared: 0x1,
  /** Some of the range was unwritten. */
  unwritten: 0x2,
  /** Starts at the start of a mapping across whose ends no I/O goes; never merged with what lies before it. */
  boundary: 0x4,
  direct: 0x8,
  /** Ends past the size that the server has recorded. */
  append: 0x10,
  writeback: 0x20,
  /** The file is no longer, or did not become, a swap file. */
  swapoff: 0x40,
} as const;

/** `addr` of a mapping that has none: 2^64-1 on the wire. */
export const NULL_ADDR = -1;

/** A length that means "to the end of the file": 2^64-1 on the wire, which saturates to this. */
export const TO_EOF = Number.MAX_SAFE_INTEGER;

/** A slot that a server fills; reused from request to request. */
export class Mapping {
  type = 0;
  flags = 0;
  /** Byte offset in the file of the range's first byte, a multiple of the block size. */
  offset = 0;
  /** Bytes, a multiple of the block size. */
  length = 0;
  /** Byte address on the device, or NULL_ADDR. */
  addr = NULL_ADDR;
  /** Device id from the registry, 0 for none. */
  dev = 0;

  set(type: number, offset: number, length: number, addr: number, dev: number, flags = 0): void {
    this.type = type;
    this.flags = flags;
    this.offset = offset;
    this.length = length;
    this.addr = addr;
    this.dev = dev;
  }

  copy(other: Readonly<Mapping>): void {
    this.set(other.type, other.offset, other.length, other.addr, other.dev, other.flags);
  }

  /** Whether it has a place on a device. */
  get isOnDevice(): boolean {
    return this.type === MappingType.mapped || this.type === MappingType.unwritten;
  }

  /** One past the last byte. */
  get end(): number {
    return this.offset + this.length;
  }
}

/** What a reply is checked against. */
export interface MappingLimits {
  /** Bytes, a power of two. */
  readonly blockSize: number;
  /** Largest file size in bytes; offsets stay below it. */
  readonly maxBytes: number;
}

/**
 * Checks one slot of a begin reply by the rules that the kernel's host applies, in its order; the first failure counts.
 * A mapping comes from a process that parses hostile images: nothing in it is believed before this.
 *
 * @param isWriteSlot whether this is the write slot, the only one that may say pureOverwrite
 * @param pos the byte that the mapping was asked for and must cover
 * @param hasCache whether the file has a mapping cache: only then retryCache makes sense
 * @returns 0, or EUCLEAN
 */
export function validateMapping(
  mapping: Mapping,
  limits: MappingLimits,
  isWriteSlot: boolean,
  pos: number,
  hasCache = false,
): number {
  const failure = validateSlot(mapping, limits, isWriteSlot, hasCache);
  if (failure !== 0) return failure;
  if (mapping.type === MappingType.noCache) return EUCLEAN;
  return mapping.offset <= pos && pos < mapping.offset + mapping.length ? 0 : EUCLEAN;
}

/** The rules that hold for an upsert as well: all but those about what was asked. */
export function validateSlot(mapping: Mapping, limits: MappingLimits, isWriteSlot: boolean, hasCache: boolean): number {
  const { type, flags, offset, length, addr, dev } = mapping;
  const known = type <= MappingType.inline || (type >= MappingType.noCache && type <= MappingType.pureOverwrite);
  if (!(Number.isInteger(type) && type >= 0 && known)) return EUCLEAN;
  if ((flags & ~SERVER_FLAGS) !== 0 || !Number.isSafeInteger(flags)) return EUCLEAN;
  // Numbers that 2^53 cannot hold exactly are refused with those that overflow 64 bits: no file or device is that long.
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length > 0)) return EUCLEAN;
  if (offset % limits.blockSize !== 0 || length % limits.blockSize !== 0) return EUCLEAN;
  if (!Number.isSafeInteger(offset + length) || offset >= limits.maxBytes) return EUCLEAN;
  switch (type) {
    case MappingType.mapped:
    case MappingType.unwritten:
      if (dev === 0 || addr === NULL_ADDR) return EUCLEAN;
      break;
    case MappingType.pureOverwrite:
      if (!isWriteSlot || flags !== 0 || dev !== 0 || addr !== NULL_ADDR) return EUCLEAN;
      break;
    case MappingType.retryCache:
      if (!hasCache || flags !== 0 || dev !== 0 || addr !== NULL_ADDR) return EUCLEAN;
      break;
    case MappingType.noCache:
      break; // nothing of it is used
    default:
      if (dev !== 0 || addr !== NULL_ADDR) return EUCLEAN;
  }
  if (addr !== NULL_ADDR && !(Number.isSafeInteger(addr) && addr >= 0 && Number.isSafeInteger(addr + length)))
    return EUCLEAN;
  return 0;
}
