/** Makes one capture in a process of its own: node dirty/main.js NAME OUT */
import { makeCapture } from "./capture.js";
import { CAPTURES } from "./captures.js";

const [name, out] = process.argv.slice(2);
const capture = CAPTURES.find((candidate) => candidate.name === name);
if (capture === undefined || out === undefined) throw new Error("dirty: NAME OUT");
makeCapture(capture, out);
