export { decodeArguments, encodeArguments, LARGEST_ARGUMENTS } from "./arguments.js";
export { checkSendBuffer, PacketChannel, PEER } from "./channel.js";
export { type Decoded, decode, encode, magicAt } from "./codec.js";
export { splitOptions, unescapeOption } from "./options.js";
export * from "./packets.js";
