// npm run crash: builds, then crashes file systems for as long as one likes. See tests/src/crash/main.ts.
import { join } from "node:path";
import { must, prepare, root } from "./prepare.mjs";

prepare();
must(process.execPath, [join(root, "tests", "dist", "crash", "main.js"), ...process.argv.slice(2)]);
