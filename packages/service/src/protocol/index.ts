export { decodeArguments, encodeArguments, LARGEST_ARGUMENTS } from "./arguments.js";
export { PacketChannel } from "./channel.js";
export { type Decoded, decode, encode, magicAt } from "./codec.js";
export * from "./packets.js";
