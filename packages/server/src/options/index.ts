export type { MountOption } from "./mount-option.js";
export * from "./mount-options.js";
export type { AccessOption, ErrorsOption, IomapOption, MountSettings, QuotaOption } from "./settings.js";
export { UsageError } from "./usage-error.js";
