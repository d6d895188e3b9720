/**
 * A block device as the engine sees it: bytes at offsets. Synchronous, because one thread owns the metadata.
 *
 * Calls either do the whole transfer or throw a DeviceError; a read past `size` throws. Implementations stay
 * monomorphic on the hot path: `read` gets the same kind of Uint8Array every time.
 */
export interface BlockDevice {
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Reads `target.length` bytes at byte `offset` into `target`. */
  read(offset: number, target: Uint8Array): void;
  /**
   * As far as that needs no waiting: the bytes read from `offset` on, 0 when none are at hand or it cannot be told. Never throws.
   */
  readNow?(offset: number, target: Uint8Array): number;
  /**
   * A hint that `length` bytes at byte `offset` will be read soon, where a device can start on them in the background. Never
   * throws; the range lies inside the device.
   */
  willRead?(offset: number, length: number): void;
  /** Writes `source` at byte `offset`. Throws on a read-only device. */
  write(offset: number, source: Uint8Array): void;
  /** Bytes that were written since the last call, where a device counts them. */
  takeWritten?(): number;
  /** Says that somebody writes bytes through `file`. */
  countWritten?(bytes: number): void;
  /** Returns when all that was written is durable. */
  flush(): void;
  /** Says that `length` bytes at byte `offset` hold nothing any more; false where the device can make no use of that. */
  discard?(offset: number, length: number): boolean;
  /** The open file that it is a part of, from byte `start` of it on: for those who read file data themselves. */
  readonly file?: { readonly fd: number; readonly start: number } | undefined;
  close(): void;
}
