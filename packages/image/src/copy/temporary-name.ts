import { randomBytes } from "node:crypto";

/** Of this process, so that no other has its names. */
let prefix = "";
let made = 0;

/** A name that nothing has yet, for a copy that is not complete. */
export function temporaryName(): Buffer {
  if (prefix === "") prefix = randomBytes(6).toString("hex");
  return Buffer.from(`.bulkhead-${prefix}-${made++}.part`);
}
