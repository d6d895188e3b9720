import * as fs from "node:fs";

/** A source that cannot be used, with what to do about it. */
export class SourceError extends Error {
  readonly code = "ERR_BULKHEAD_SOURCE";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SourceError";
  }
}

/**
 * Opens the file or device of a source, as `openSource` does: a block device that is to be written exclusively.
 *
 * @throws SourceError
 */
export function openDescriptor(path: string, writable: boolean, claimed = false): number {
  const { O_RDONLY, O_RDWR, O_EXCL, O_NONBLOCK } = fs.constants;
  try {
    const alone = writable && !claimed ? O_EXCL : 0;
    return fs.openSync(path, (writable ? O_RDWR : O_RDONLY) | alone | O_NONBLOCK); // a fifo must not make us wait
  } catch (error) {
    throw new SourceError(`cannot open ${path}${writable ? " for writing" : ""}: ${reason(error)}`, { cause: error });
  }
}

/** Node's name of an error. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, "code") : undefined;
}

/** Why the system did not open a source, in words. */
export function reason(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "there is no such file or directory";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EROFS":
      return "it is write-protected";
    case "EISDIR":
      return "it is neither a file nor a block device";
    case "EBUSY":
      return "it is in use: mounted, part of another device, or served by another process";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
