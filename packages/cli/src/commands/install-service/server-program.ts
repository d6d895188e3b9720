import { fileURLToPath } from "node:url";

/** The contained server's program. */
export function serverProgram(): string {
  return fileURLToPath(new URL("../contained/main.js", import.meta.resolve("@bulkhead/server/options")));
}
