import { EINVAL, ENOSYS } from "./errno.js";

/** `flags` of a CONFIG reply: which of its fields are meant. */
export const ConfigFlag = {
  sid: 0x1,
  uuid: 0x2,
  blockSize: 0x4,
  maxLinks: 0x8,
  time: 0x10,
  maxBytes: 0x20,
  cacheMaxBytes: 0x40,
} as const;

const KNOWN = 0x7f;
const LARGEST_UUID = 16;
const SMALLEST_BLOCK = 512;
const LARGEST_BLOCK = 65_536;
const NANOSECONDS = 1_000_000_000;
const SID_BYTES = 31;
/** Of one fork's cached mappings. */
const SMALLEST_CACHE = 256;
const LARGEST_CACHE = 2_097_152;

/** What a server answers to IOMAP_CONFIG; a field counts when its flag is set. Missing bytes of a short reply are 0. */
export interface ConfigReply {
  readonly flags: number;
  readonly sid?: string;
  readonly uuid?: Uint8Array;
  /** Always checked. */
  readonly uuidLength?: number;
  /** Whether the padding is all zeros; always checked. */
  readonly padIsZero?: boolean;
  readonly blockSize?: number;
  readonly maxLinks?: number;
  /** Nanoseconds. */
  readonly timeGranularity?: number;
  /** Seconds. */
  readonly timeMin?: number;
  readonly timeMax?: number;
  readonly maxBytes?: number;
  readonly cacheMaxBytes?: number;
}

/** What a file system is configured to be. */
export interface Configuration {
  name: string;
  uuid: Uint8Array;
  blockSize: number;
  maxLinks: number;
  timeGranularity: number;
  timeMin: number;
  timeMax: number;
  maxBytes: number;
  /** Bytes of cached mappings, a fork. */
  cacheMaxBytes: number;
}

/**
 * Applies a CONFIG reply.
 *
 * @param reply the reply, or the negative errno that came instead
 * @returns 0, or a negative errno: then nothing was applied, and the connection fails
 */
export function configure(configuration: Configuration, reply: ConfigReply | number): number {
  if (typeof reply === "number") return reply === -ENOSYS ? 0 : reply;
  const { flags } = reply;
  const has = (flag: number) => (flags & flag) !== 0;
  if ((flags & ~KNOWN) !== 0 || !Number.isSafeInteger(flags)) return -EINVAL;
  const uuidLength = reply.uuidLength ?? 0;
  if (!(uuidLength >= 0 && uuidLength <= LARGEST_UUID) || reply.padIsZero === false) return -EINVAL;
  const granularity = reply.timeGranularity ?? 0;
  if (has(ConfigFlag.time) && !(granularity > 0 && granularity <= NANOSECONDS)) return -EINVAL;
  const maxBytes = reply.maxBytes ?? 0;
  if (has(ConfigFlag.maxBytes) && !(maxBytes >= 0 && maxBytes <= Number.MAX_SAFE_INTEGER)) return -EINVAL;
  const blockSize = reply.blockSize ?? 0;
  if (has(ConfigFlag.blockSize) && !isBlockSize(blockSize)) return -EINVAL;

  if (has(ConfigFlag.sid)) configuration.name = (reply.sid ?? "").slice(0, SID_BYTES);
  if (has(ConfigFlag.uuid)) configuration.uuid = (reply.uuid ?? new Uint8Array(0)).slice(0, uuidLength);
  if (has(ConfigFlag.blockSize)) configuration.blockSize = blockSize;
  if (has(ConfigFlag.maxLinks)) configuration.maxLinks = reply.maxLinks ?? 0;
  if (has(ConfigFlag.time)) {
    configuration.timeGranularity = granularity;
    configuration.timeMin = reply.timeMin ?? 0;
    configuration.timeMax = reply.timeMax ?? 0;
  }
  if (has(ConfigFlag.maxBytes)) configuration.maxBytes = maxBytes;
  const cacheMaxBytes = reply.cacheMaxBytes ?? 0;
  if (has(ConfigFlag.cacheMaxBytes) && cacheMaxBytes !== 0) {
    configuration.cacheMaxBytes = Math.min(Math.max(cacheMaxBytes, SMALLEST_CACHE), LARGEST_CACHE);
  }
  return 0;
}

/** A power of two from 512 bytes on, as block sizes are. */
export function isBlockSize(size: number): boolean {
  return Number.isInteger(size) && size >= SMALLEST_BLOCK && size <= LARGEST_BLOCK && (size & (size - 1)) === 0;
}
