export * from "./mount-options.js";
export { UsageError } from "./usage-error.js";
