export * from "./helper/index.js";
export * from "./launcher/index.js";
export * from "./protocol/index.js";
export * from "./server/index.js";
export * from "./units/index.js";
