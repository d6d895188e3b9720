/** The rules by which a kernel believes a mapping (reference: fuse-iomap, "Validation of the reply"), written down once more. */

export interface Slot {
  readonly type: number;
  readonly flags: number;
  readonly offset: bigint;
  readonly length: bigint;
  readonly addr: bigint;
  readonly dev: number;
}

const NULL_ADDR = 2n ** 64n - 1n;
export const Type = { hole: 0, mapped: 2, unwritten: 3, inline: 4, retryCache: 254, pureOverwrite: 255 } as const;

export interface Limits {
  readonly blockSize: number;
  readonly maxBytes: number;
  readonly dev: number;
  readonly deviceSize: number;
  /** Whether the inode has a cache of mappings. */
  readonly cached: boolean;
}

/** The rule that a slot breaks, undefined when it breaks none. */
export function brokenRule(slot: Slot, isWrite: boolean, pos: number, limits: Limits): string | undefined {
  const { type, flags, offset, length, addr, dev } = slot;
  const block = BigInt(limits.blockSize);
  if (!(type <= 4 || (type >= 253 && type <= 255))) return "1: type";
  if ((flags & ~0xff) !== 0) return "2: flags";
  if (length === 0n || offset % block !== 0n || length % block !== 0n) return "3: alignment";
  if (offset + length >= 2n ** 64n || offset >= BigInt(limits.maxBytes)) return "3: range";
  const placed = type === Type.mapped || type === Type.unwritten;
  if (placed && (dev !== limits.dev || addr === NULL_ADDR)) return "4: address";
  if (!placed && (dev !== 0 || addr !== NULL_ADDR)) return "5: no address";
  if (type === Type.pureOverwrite && (!isWrite || flags !== 0)) return "6: pure overwrite";
  if (type === Type.retryCache && (!limits.cached || flags !== 0)) return "7: retry";
  if (placed && (addr + length >= 2n ** 64n || addr % block !== 0n)) return "8: address";
  if (placed && addr + length > BigInt(limits.deviceSize)) return "8: behind the device";
  if (type === 253) return "9: no cache";
  const at = BigInt(pos);
  return offset <= at && at < offset + length ? undefined : "10: does not cover";
}
