import { FileSystemError } from "../errors.js";

/**
 * There is no space, but the running transaction freed some that may be used once it is committed: Transactions.run undoes the
 * operation, commits, and tries it a second time.
 */
export class RetryAfterCommit extends FileSystemError {
  constructor() {
    super("ENOSPC", "what is free may be used after the next commit only");
  }
}
