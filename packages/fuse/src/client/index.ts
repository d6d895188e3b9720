/** The client alone, without what serving and mounting need. */
export { type ClientChannel, SocketChannel } from "./channel.js";
export { type Agreed, type Caller, type ClientOptions, FuseClient } from "./client.js";
export { type ConnectionLoss, FuseAnswerError, FuseConnectionError } from "./errors.js";
