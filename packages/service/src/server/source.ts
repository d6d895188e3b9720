import { constants } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { close, Errno, fstat, ioctl, LinuxError } from "@bulkhead/linux";
import { FileRequestFlag } from "../protocol/index.js";
import type { FileRequest, ServiceConnection } from "./connection.js";

export interface SourceRequest {
  /** `read-write if possible`, the default, is read-only where writing is forbidden. */
  readonly access?: "read-only" | "read-write" | "read-write if possible";
  /** Be the only one to have a block device (O_EXCL). Default true. */
  readonly exclusive?: boolean;
  /** Milliseconds to ask again while the device is busy (a udev rule may be looking at it). Default 5 s. */
  readonly busyTimeout?: number;
  /** Set a block device's block size, in bytes. */
  readonly blockSize?: number;
  /** A loop device for a regular file; only of a helper that understands it. */
  readonly tryLoop?: boolean;
}

/** A source as the helper opened it. The receiver closes it. */
export interface ServiceSource {
  readonly fd: number;
  readonly readOnly: boolean;
  readonly isBlockDevice: boolean;
}

const BUSY_TIMEOUT = 5_000;
const PAUSE = 100;
/** `_IO(0x12, 94)`; the answer is an int. */
const BLKROGET = 0x125e;
const FORBIDDEN = new Set(["EPERM", "EACCES", "EROFS"]);

/** Asks for a file or block device as file systems need it. @throws {LinuxError} with the errno of open(2); ENOTBLK: it is neither */
export async function requestSource(
  connection: ServiceConnection,
  path: Uint8Array,
  request: SourceRequest = {},
): Promise<ServiceSource> {
  const { access = "read-write if possible", exclusive = true, busyTimeout = BUSY_TIMEOUT } = request;
  // O_NONBLOCK: a FIFO must not make the helper wait.
  const common = (exclusive ? constants.O_EXCL : 0) | constants.O_NONBLOCK;
  let readOnly = access === "read-only";
  const until = performance.now() + busyTimeout;
  for (;;) {
    try {
      const flags = common | (readOnly ? constants.O_RDONLY : constants.O_RDWR);
      const source = examined(askFor(connection, path, flags, request), readOnly);
      if (readOnly || !isWriteProtected(source)) return source;
      close(source.fd);
      throw new LinuxError("open", Errno.EROFS, new TextDecoder().decode(path));
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      if (error.code === "EBUSY" && performance.now() < until) await sleep(PAUSE);
      else if (FORBIDDEN.has(error.code) && !readOnly && access !== "read-write") readOnly = true;
      else throw error;
    }
  }
}

/** Asks for a block device once more, to write past its page cache (O_DIRECT); undefined where it cannot be opened so. */
export function requestDirect(connection: ServiceConnection, path: Uint8Array): number | undefined {
  const flags = constants.O_RDWR | constants.O_DIRECT | constants.O_NONBLOCK;
  try {
    return connection.requestFile(path, { flags, requestFlags: FileRequestFlag.QUIET });
  } catch (error) {
    if (error instanceof LinuxError) return undefined;
    throw error;
  }
}

function askFor(connection: ServiceConnection, path: Uint8Array, flags: number, request: SourceRequest): number {
  const attempt = (how: Omit<FileRequest, "flags">, refusal: string): number | undefined => {
    try {
      return connection.requestFile(path, { flags, ...how });
    } catch (error) {
      if (error instanceof LinuxError && error.code === refusal) return undefined;
      throw error;
    }
  };
  const { blockSize = 0, tryLoop = false } = request;
  const sized = blockSize === 0 ? undefined : attempt({ blockDevice: { blockSize } }, "ENOTBLK");
  const looped = sized ?? (tryLoop ? attempt({ requestFlags: FileRequestFlag.TRY_LOOP }, "EINVAL") : undefined);
  return looped ?? connection.requestFile(path, { flags });
}

/** A write-protected device opens for writing, and only then refuses what is written. */
function isWriteProtected({ fd, isBlockDevice }: ServiceSource): boolean {
  const answer = new Uint8Array(4);
  return isBlockDevice && ioctl(fd, BLKROGET, answer) >= 0 && answer.some((byte) => byte !== 0);
}

function examined(fd: number, readOnly: boolean): ServiceSource {
  const stat = fstat(fd);
  if (stat.isFile() || stat.isBlockDevice()) return { fd, readOnly, isBlockDevice: stat.isBlockDevice() };
  close(fd);
  throw new LinuxError("open", Errno.ENOTBLK, "the source is neither a file nor a block device");
}
