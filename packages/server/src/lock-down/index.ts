export { type LockDown, type LockDownOptions, lockDown, lockDownThread, MEMORY } from "./lock-down.js";
