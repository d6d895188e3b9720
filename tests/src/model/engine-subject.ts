/** The engine without a mount. */
import type { Subject } from "./subject.js";

export function engineSubject(image: string): Subject {
  throw new Error(`${image}: the engine does not write yet`);
}
