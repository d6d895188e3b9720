import { errnoName } from "@bulkhead/linux";

/** What the server answered to a request: an error number. */
export class FuseAnswerError extends Error {
  override readonly name = "FuseAnswerError";
  /** The error's name, such as `ENOENT`. */
  readonly code: string;
  /** Positive. */
  readonly errno: number;
  /** The operation, such as `LOOKUP`. */
  readonly operation: string;

  /** @param errno of either sign */
  constructor(operation: string, errno: number) {
    super(`${operation}: ${errnoName(errno)}`);
    this.code = errnoName(errno);
    this.errno = Math.abs(errno);
    this.operation = operation;
  }
}

/** Why there is no server to talk to any more. */
export type ConnectionLoss = "gone" | "stalled" | "protocol" | "closed";

/** The connection is over: its server ended, does not answer, or answers what the protocol does not allow. */
export class FuseConnectionError extends Error {
  override readonly name = "FuseConnectionError";
  readonly code = "ERR_FUSE_CONNECTION";
  readonly loss: ConnectionLoss;

  constructor(loss: ConnectionLoss, message: string) {
    super(message);
    this.loss = loss;
  }
}
