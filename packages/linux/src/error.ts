import { errnoName } from "./errno.js";

/** A system call that failed, on a cold path. Hot calls return the negated error number instead. */
export class LinuxError extends Error {
  override readonly name = "LinuxError";
  /** The error's name, such as `ENOENT`. */
  readonly code: string;
  /** The error number, positive. */
  readonly errno: number;
  /** The system call. */
  readonly syscall: string;
  /** What it was applied to: a path, a mount option, a descriptor. Empty if there is nothing to name. */
  readonly subject: string;

  constructor(syscall: string, errno: number, subject = "") {
    const code = errnoName(errno);
    super(subject === "" ? `${syscall}: ${code}` : `${syscall} ${subject}: ${code}`);
    this.code = code;
    this.errno = Math.abs(errno);
    this.syscall = syscall;
    this.subject = subject;
  }
}

/** `result`, or a `LinuxError` if it is a negated error number. */
export function orThrow(result: number, syscall: string, subject: string | number = ""): number {
  if (result < 0) throw new LinuxError(syscall, -result, String(subject));
  return result;
}
