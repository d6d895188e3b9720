/** The `bulkhead` command as a function. */
export { main, version } from "./main.js";
