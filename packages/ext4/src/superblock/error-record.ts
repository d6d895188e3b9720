import { CorruptionError, DeviceError } from "../errors.js";
import { SuperblockLayout, SuperblockState, type SuperblockView } from "../format/superblock.js";
import type { Volume } from "../volume.js";
import { bytesOf } from "./read-superblock.js";

/** s_first_error_errcode and s_last_error_errcode. */
const ErrorCode = { unknown: 1, io: 2, checksum: 4, corrupted: 5 } as const;

/** Lines that a run of errors may write within the window, in seconds: a hostile image must not fill a log. */
const LINES = 10;
const WINDOW = 5;

/**
 * Keeps the superblock's record of errors (s_error_count, the first and the last error) as ext4 does, and writes one log line
 * for each, a few in five seconds.
 */
export class ErrorRecord {
  readonly #volume: Volume;
  #windowStart = Number.NEGATIVE_INFINITY;
  #lines = 0;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** Errors on record, those from before this mount included. */
  get count(): number {
    return this.#volume.superblock.errorCount;
  }

  add(error: unknown): void {
    const { superblock, environment } = this.#volume;
    const now = environment.clock.now().seconds;
    superblock.state |= SuperblockState.error;
    superblock.errorCount = Math.min(superblock.errorCount + 1, 0xffff_ffff);
    const first = superblock.firstErrorTime === 0 && superblock.firstErrorTimeHi === 0;
    writeLast(superblock, error, now);
    if (first) copyLastToFirst(superblock);
    this.#log(now, error);
  }

  /** Only the log line, under the same limit. */
  log(error: unknown): void {
    this.#log(this.#volume.environment.clock.now().seconds, error);
  }

  #log(now: number, error: unknown): void {
    if (now - this.#windowStart >= WINDOW || now < this.#windowStart) {
      this.#windowStart = now;
      this.#lines = 0;
    }
    if (this.#lines > LINES) return;
    this.#lines++;
    const text = error instanceof Error ? error.message : String(error);
    const more = this.#lines > LINES ? "; more errors follow that are not logged" : "";
    this.#volume.environment.log("error", `${text}; run e2fsck on the image${more}`);
  }
}

/** The bytes of the record: s_error_count to s_last_error_func, and the high bits of the times and the codes. */
const RECORD: readonly (readonly [start: number, end: number])[] = [
  [SuperblockLayout.offset.errorCount, SuperblockLayout.offset.mountOptions],
  [SuperblockLayout.offset.firstErrorTimeHi, SuperblockLayout.offset.encoding],
];

/** Copies the record of errors, and the bit that says that there were any. */
export function copyErrors(from: SuperblockView, to: SuperblockView): void {
  const source = bytesOf(from);
  const target = bytesOf(to);
  for (const [start, end] of RECORD) target.set(source.subarray(start, end), start);
  to.state |= from.state & SuperblockState.error;
}

/** Keeps the record of errors that the replay of a journal, with an older superblock in it, has undone. */
export function keepErrors(before: SuperblockView, after: SuperblockView): void {
  if (before.errorCount > after.errorCount) copyErrors(before, after);
  after.state |= before.state & SuperblockState.error;
}

function writeLast(superblock: SuperblockView, error: unknown, now: number): void {
  const location = error instanceof CorruptionError ? error.location : {};
  superblock.lastErrorTime = now % 0x1_0000_0000;
  superblock.lastErrorTimeHi = Math.floor(now / 0x1_0000_0000) & 0xff;
  superblock.lastErrorInode = location.inode ?? 0;
  superblock.lastErrorBlock = location.block ?? 0;
  superblock.lastErrorLine = 0;
  superblock.lastErrorCode = codeOf(error);
  // The kernel keeps a function's name here; the kind of damage says the same.
  const name = error instanceof CorruptionError ? error.kind : error instanceof DeviceError ? "device" : "unknown";
  const field = new Uint8Array(32);
  for (let at = 0; at < Math.min(name.length, field.length); at++) field[at] = name.charCodeAt(at);
  superblock.lastErrorFunction = field;
}

function copyLastToFirst(superblock: SuperblockView): void {
  superblock.firstErrorTime = superblock.lastErrorTime;
  superblock.firstErrorTimeHi = superblock.lastErrorTimeHi;
  superblock.firstErrorInode = superblock.lastErrorInode;
  superblock.firstErrorBlock = superblock.lastErrorBlock;
  superblock.firstErrorLine = superblock.lastErrorLine;
  superblock.firstErrorCode = superblock.lastErrorCode;
  superblock.firstErrorFunction = superblock.lastErrorFunction;
}

function codeOf(error: unknown): number {
  if (error instanceof DeviceError) return ErrorCode.io;
  if (!(error instanceof CorruptionError)) return ErrorCode.unknown;
  return error.kind.endsWith("-checksum") ? ErrorCode.checksum : ErrorCode.corrupted;
}
