import { FuseAnswerError } from "@bulkhead/fuse/client";
import { type ImagePath, textOf } from "./paths.js";

/** An image that cannot be opened, or is no file system; the message says what, and what to do. */
export class ImageOpenError extends Error {
  override readonly name = "ImageOpenError";
  /** What the server says: `ERR_EXT4_CORRUPT`, `ERR_BULKHEAD_SOURCE`, …; `ERR_BULKHEAD_IMAGE` when it says nothing. */
  readonly code: string;
  /** The kind of corruption, with that code. */
  readonly corruption: string | undefined;

  constructor(message: string, code = "ERR_BULKHEAD_IMAGE", corruption?: string) {
    super(message);
    this.code = code;
    this.corruption = corruption;
  }
}

/** Something in an image cannot be done, with the errno that a system call on a mount would give. */
export class ImageError extends Error {
  override readonly name = "ImageError";
  /** Such as `ENOENT`. `EUCLEAN` is damage, of which the server's log has the particulars. */
  readonly code: string;
  /** Positive. */
  readonly errno: number;
  /** The call, such as `mkdir`. */
  readonly syscall: string;
  /** Inside the image. */
  readonly path: string;

  constructor(code: string, errno: number, syscall: string, path: string) {
    super(`${syscall} ${JSON.stringify(path)}: ${code}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }
}

/** What the server answered, as an error of a call on a path; any other error as it is. */
export function explained(call: string, path: ImagePath, error: unknown): unknown {
  return error instanceof FuseAnswerError ? new ImageError(error.code, error.errno, call, textOf(path)) : error;
}
